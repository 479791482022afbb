r"""A flow in the latents of an autoencoder, on a folder of your own pictures.

python -m experiments.train --config=configs/latent_flow_folder.py --config.data.path=DIR
    --workdir=W  [--config=configs/latent_flow_folder.py:size=72]  [--config.data.fit=pad]
    [--config=configs/latent_flow_folder.py:pretrained,size=128]
python -m experiments.sample --workdir=W --num=64 --output=grid.png [--guidance=1.5]

DIR is as for configs/gan_folder.py. The config is made for a GPU and a few thousand pictures of any
kind. `:pretrained` starts from the shipped flow of drawings and its autoencoder, takes an hour of a
core or a minute of a GPU, and draws better emoji than the config without it (docs/flow.md). Long
trainings learn a few hundred pictures by heart: --config.total_images=30000 is enough for them. A
tenth of the pictures is held out, so that `copying_thumbnails` of experiments.evaluate tells.

From 128 pixels on, `:size=128`, the flow draws pictures of half the size, and from 256 on of a
quarter; a network of super-resolution, which is trained with the decoder, enlarges them. So larger
pictures take hardly more time. A run of 64 pixels is enlarged afterwards, in 12 minutes of a core,
with the data and the classes that it has:

python -m experiments.train --config=configs/latent_flow_folder.py:pretrained,size=128
    --config.data.path=DIR --config.init_from=W --config.method.autoencoder_fraction=1.0
    --config.total_images=9800 --workdir=LARGE

First, nearly half of the images train the autoencoder; with `:pretrained`, a tenth trains its
decoder alone, with the network that enlarges. Every sheet shows samples next to reconstructions,
which are as good as samples can become. The flow as it was after an eighth of its training is kept,
too: a guidance above 1, the default of `:pretrained`, leads away from it, to pictures that are
cleaner and closer to training pictures. It is that large near the noise alone, and falls to 1.

Set --config.data.augment.flip=False if mirrored pictures would be wrong, such as letters. The
perceptual loss takes AlexNet's weights (the extra `pretrained`) and pictures of at least 31 x 31
pixels; --config.method.perceptual_weight=0 leaves it out.
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}. Emoji, if nothing else is said.
EXPECTED = {
    'data.fit=pad data.augment.flip=False method.solver=heun --num=2000': {
        'frechet': (110.9, 0.0, 1),
        'frechet_reconstructed': (60.47, 0.0, 1),
        'recall': (0.292, 0.0, 1),
    },
    ':pretrained data.fit=pad data.augment.flip=False method.guidance=2 '
    'method.guidance_falls=False --num=2000': {
        'frechet': (92.8, 2.3, 3),
        'frechet_reconstructed': (52.31, 0.045, 3),
        'recall': (0.349, 0.014, 3),
    },
    ':pretrained,size=128 data.fit=pad data.augment.flip=False method.guidance=2 '
    'method.guidance_falls=False --num=2000': {
        'frechet': (110.7, 0.0, 1),
        'frechet_reconstructed': (68.1, 0.0, 1),
        'recall': (0.159, 0.0, 1),
    },
    # On Fluent Emoji.
    ':pretrained,size=128 data.fit=pad data.augment.flip=False total_images=30000 '
    'method.guidance=2 method.guidance_falls=False --num=2000': {
        'frechet': (102.5, 4.4, 3),
        'frechet_reconstructed': (64.8, 0.9, 3),
        'recall': (0.133, 0.003, 3),
    },
    # On squares of landscapes.
    ':pretrained data.split_by=folder method.guidance=2 method.guidance_falls=False --num=1000': {
        'frechet': (69.9, 0.0, 1),
        'frechet_reconstructed': (66.1, 0.0, 1),
        'recall': (0.119, 0.0, 1),
    },
    # On sprites.
    ':pretrained,size=72 data.fit=pad data.labels=folders method.num_classes=21 '
    'total_images=32000 method.guidance=2 method.guidance_falls=False --num=2000': {
        'frechet': (59.3, 0.0, 1),
        'frechet_reconstructed': (52.7, 0.0, 1),
        'recall': (0.090, 0.0, 1),
    },
    ':pretrained,size=72 data.fit=pad data.split_by=folder data.labels=folders '
    'method.num_classes=21 total_images=32000 method.guidance=2 method.guidance_falls=False '
    '--num=2000': {
        'frechet': (80.6, 3.4, 3),
        'frechet_reconstructed': (70.9, 1.0, 3),
        'recall': (0.022, 0.008, 3),
    },
    # On portraits.
    ':pretrained data.test_fraction=0.2 total_images=30000 method.guidance=2 '
    'method.guidance_falls=False --num=1000': {
        'frechet': (30.91, 0.37, 3),
        'recall': (0.119, 0.007, 3),
    },
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=64, pretrained=False)
    config = common.config(
        'latent_flow',
        total_images=64 if arg.smoke else 98_000 if arg.pretrained else 832_000,
        data={
            'name': 'folder',
            'path': '',
            'size': (arg.size, arg.size),
            'fit': 'crop',
            'test_fraction': 0.1,
            'batch_size': 8 if arg.smoke else 16 if arg.pretrained else 64,
            'augment': ConfigDict({'flip': True}),
        },
    )
    config.method.autoencoder = ConfigDict(
        {'features': (8, 8) if arg.smoke and not arg.pretrained else (64, 128), 'blocks': 1}
    )
    config.method.latent_channels = 4
    config.method.enlarge = 4 if arg.size >= 256 else 2 if arg.size >= 128 else 1
    config.method.enlarger = ConfigDict({'features': 32, 'blocks': 2, 'upsampling': 'direct'})
    config.method.autoencoder_fraction = 0.477
    if arg.pretrained:
        config.data.channels = 3  # Those of the parent, also if all pictures are gray.
        config.init_from = 'drawings_flow'
        config.method.autoencoder_fraction = 0.1
        config.method.train_encoder = False
        # The network that enlarges is not shipped: it has everything to learn.
        config.method.autoencoder_learning_rate = 1e-3 if config.method.enlarge > 1 else 5e-4
    # With a weight of 1, as at 64 pixels, enlarged drawings have a pattern of dots.
    config.method.perceptual_weight = (
        0.0 if arg.smoke else 0.25 if config.method.enlarge > 1 else 1.0
    )
    config.method.kl_weight = 1e-3
    config.method.network = ConfigDict(
        {
            'features': (64, 160) if arg.pretrained else (8, 8) if arg.smoke else (128, 192),
            'blocks': 1 if arg.smoke and not arg.pretrained else 2,
        }
    )
    config.method.solver = 'adams'  # By Heun's, latents vary too little, and pictures are pale.
    config.method.evaluations = 4 if arg.smoke and not arg.pretrained else 20
    config.method.learning_rate = 7e-4 if arg.pretrained else 1e-3
    config.method.ema_half_life_images = 10_000.0 if arg.pretrained else 30_000.0
    config.method.early = 0.125
    config.method.guidance = 4.0 if arg.pretrained else 1.0
    config.method.guidance_falls = True
    config.run = common.run(
        smoke=arg.smoke,
        extractor='lite0',
        scores=('reconstruction',),
        log_every_steps=50,
        sample_every_steps=1000,
        checkpoint_every_steps=1000,
    )
    return config
