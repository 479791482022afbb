r"""A flow in the latents of an autoencoder, on a folder of your own pictures.

python -m experiments.train --config=configs/latent_flow_folder.py --config.data.path=DIR
    --workdir=W  [--config=configs/latent_flow_folder.py:size=96]  [--config.data.fit=pad]

DIR is as for configs/gan_folder.py. A quarter of the images trains the autoencoder, the others the
flow. Every sheet shows samples next to reconstructions, which are as good as samples can become.
Set --config.data.augment.flip=False if mirrored pictures would be wrong, such as letters. The
perceptual loss takes AlexNet's weights (the extra `pretrained`) and pictures of at least 31 x 31
pixels; --config.method.perceptual_weight=0 leaves it out.
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}. Emoji, 64 x 64.
EXPECTED = {
    'data.fit=pad data.test_fraction=0.1 data.augment.flip=False --num=2000 --extractor=lite0': {
        'frechet': (195.2, 0.0, 1),
        'frechet_reconstructed': (97.47, 0.0, 1),
    },
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=64)
    config = common.config(
        'latent_flow',
        total_images=64 if arg.smoke else 260_000,
        data={
            'name': 'folder',
            'path': '',
            'size': (arg.size, arg.size),
            'fit': 'crop',
            'batch_size': 8 if arg.smoke else 64,
            'augment': ConfigDict({'flip': True}),
        },
    )
    config.method.autoencoder = ConfigDict(
        {'features': (8, 8) if arg.smoke else (32, 64), 'blocks': 1}
    )
    config.method.latent_channels = 8
    config.method.perceptual_weight = 0.0 if arg.smoke else 1.0
    config.method.kl_weight = 1e-3
    config.method.network = ConfigDict(
        {'features': (8, 8) if arg.smoke else (64, 128), 'blocks': 1 if arg.smoke else 2}
    )
    config.method.evaluations = 4 if arg.smoke else 20
    config.method.learning_rate = 1e-3
    config.method.ema_half_life_images = 10_000.0
    config.run = common.run(
        smoke=arg.smoke,
        extractor='lite0',
        scores=('reconstruction',),
        log_every_steps=25,
        sample_every_steps=500,
        checkpoint_every_steps=500,
    )
    return config
