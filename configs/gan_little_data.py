r"""A GAN on about 200 pictures: with augmentation of what the discriminator sees, and without.

python -m experiments.prepare.emoji --output=data/emoji
python -m experiments.sweep --config=configs/gan_little_data.py --config.data.path=data/emoji
    --workdir=runs/little --jobs=2
python -m experiments.train --config=configs/gan_little_data.py --config.data.path=data/emoji
    --workdir=runs/one

Of the folder, `test_fraction` is held out. The evaluation says whether samples lie
closer to the training pictures than held-out pictures do (`copying`). On 196 pictures of
people and after 60,000 images (three to six minutes a run on one core) differentiable
augmentation is better by 35 in 189, adaptive worse by 14 (results/gan_little_data.md).
"""

from ml_collections import ConfigDict

from configs import common

_ADAPTIVE = (
    'translation',
    'scale',
    'rotation',
    'aspect',
    'shift',
    'brightness',
    'contrast',
    'luma_flip',
    'hue',
    'saturation',
)
_DIFFERENTIABLE = ('color', 'translation', 'cutout')


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=32)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 64 if arg.smoke else 100_000
    config.data = ConfigDict()
    config.data.name = 'folder'
    config.data.path = ''
    config.data.size = (arg.size, arg.size)
    config.data.fit = 'pad'
    config.data.test_fraction = 0.5 if arg.smoke else 0.945
    config.data.batch_size = 8 if arg.smoke else 32
    config.method = ConfigDict()
    config.method.name = 'gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.network = 'dcgan'
    config.method.generator = ConfigDict({'features': 8 if arg.smoke else 32})
    config.method.discriminator = ConfigDict(
        {'features': 8 if arg.smoke else 32, 'normalize': False}
    )
    config.method.augment = ConfigDict(
        {
            'kinds': _ADAPTIVE,
            'probability': 0.0,
            'target': 0.6,
            'adaptation_images': 50_000.0,
        }
    )
    config.method.loss = 'nonsaturating'
    config.method.r1_gamma = 0.1
    config.method.learning_rate = 1e-3
    config.method.b1 = 0.0
    config.method.b2 = 0.99
    config.method.ema_half_life_images = 5_000.0
    config.run = common.run(
        smoke=arg.smoke,
        extractor='lite0',
        log_every_steps=50,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
    )
    return config


def get_hyper(h):
    """None, differentiable and adaptive augmentation; three seeds."""
    names = ('method.augment.kinds', 'method.augment.probability', 'method.augment.target')
    variants = [((), 1.0, 0.0), (_DIFFERENTIABLE, 1.0, 0.0), (_ADAPTIVE, 0.0, 0.6)]
    points = [dict(zip(names, values, strict=True)) for values in variants]
    return h.product([points, h.sweep('seed', range(3))])
