r"""A GAN on a folder of about 3,600 emoji in color, 64 x 64.

python -m experiments.prepare emoji --output=data/emoji
python -m experiments.train --config=configs/gan_emoji.py --config.data.path=data/emoji
    --workdir=runs/emoji
    [--config=configs/gan_emoji.py:drawings]

Emoji are not mirrored, because many show letters, digits or hands. Training takes an hour on one
core. The Fréchet distance is 157.7 in the features of EfficientNet-Lite0, where real against real
images have 40 (docs/gan.md). `:drawings` starts from the shipped GAN of drawings, and has 138.4
after half an hour.
"""

from ml_collections import ConfigDict

from configs import common

EXPECTED = {
    '--num=2000': {'frechet': (157.7, 2.9, 3), 'kid': (0.1245, 0.0040, 3)},
    ':drawings --num=2000': {'frechet': (138.4, 0.7, 3), 'kid': (0.0978, 0.0014, 3)},
    'method.generator.features=64 method.discriminator.features=64 total_images=1000000 '
    '--num=2000': {'frechet': (135.2, 4.7, 3), 'coverage': (0.392, 0.047, 3)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=64, drawings=False)
    config = common.config(
        'gan',
        total_images=64 if arg.smoke else 150_000 if arg.drawings else 300_000,
        data={
            'name': 'folder',
            'path': '',
            'size': (arg.size, arg.size),
            'fit': 'pad',
            'test_fraction': 0.1,
            'batch_size': 8 if arg.smoke else 64,
        },
    )
    config.method.network = 'dcgan'
    if arg.drawings:
        config.init_from = 'drawings'
    features = 8 if arg.smoke and not arg.drawings else 32
    config.method.latent_size = 64 if arg.drawings else 128
    config.method.generator = ConfigDict({'features': features})
    config.method.discriminator = ConfigDict({'features': features, 'normalize': False})
    config.method.augment = ConfigDict(
        {'kinds': ('translation', 'cutout'), 'probability': 0.5, 'target': 0.0}
    )
    config.method.loss = 'nonsaturating'
    config.method.r1_gamma = 1.0
    config.method.penalty_every_steps = 4
    config.method.learning_rate = 1e-3
    config.method.learning_rate_end = 0.05
    config.method.b1 = 0.0
    config.method.b2 = 0.99
    config.method.ema_half_life_images = 10_000.0
    config.run = common.run(
        smoke=arg.smoke,
        extractor='lite0',
        log_every_steps=25,
        sample_every_steps=250,
        checkpoint_every_steps=500,
    )
    return config
