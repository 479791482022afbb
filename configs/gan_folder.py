r"""A GAN on a folder of your own pictures.

python -m experiments.train --config=configs/gan_folder.py --config.data.path=DIR --workdir=W
    [--config=configs/gan_folder.py:size=96]  [--config.data.size=96,160]  [--config.data.fit=pad]

configs/latent_flow_folder.py:pretrained draws better pictures in as much time (docs/flow.md). This
GAN keeps transparency, --config.data.alpha=True, and has latents to walk in.

DIR and its sub-folders may hold pictures of any format in docs/data.md; broken files are listed
and skipped. Pictures are cropped to `size` x `size`, or to another height and width by
--config.data.size=height,width. `:network=residual` trains residual networks with the relativistic
loss and both gradient penalties, which is slower; configs/gan_gamma_folder.py finds the weight of
the penalties for either network. `:moved` rotates, shifts, shears and zooms the pictures slightly,
as experiments.preview shows.

The discriminator sees all pictures changed in color and position and with a piece cut out
(DiffAugment, Zhao et al. 2020), because few folders have enough pictures to train it without:
docs/gan.md#portraits. --config.method.augment.kinds='()' turns that off. Set
--config.data.augment.flip=False if mirrored pictures would be wrong, such as letters.
"""

from ml_collections import ConfigDict

from configs import common

_AUGMENT = "{'kinds': ('translation', 'cutout'), 'probability': 0.5, 'target': 0.0}"
EXPECTED = {
    # On emoji.
    ':network=residual data.fit=pad data.test_fraction=0.1 data.augment.flip=False '
    f'"method.augment={_AUGMENT}" total_images=320000 --num=2000': {'frechet': (163.6, 0.0, 1)},
    # On portraits.
    'data.test_fraction=0.2 total_images=200000 --num=1000': {'frechet': (44.1, 0.0, 1)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, size=64, network='dcgan', moved=False)
    config = common.config(
        'gan',
        total_images=64 if arg.smoke else 400_000,
        data={
            'name': 'folder',
            'path': '',
            'size': (arg.size, arg.size),
            'fit': 'crop',
            'batch_size': 8 if arg.smoke else 64,
            'augment': ConfigDict({'flip': True}),
        },
    )
    if arg.moved:
        config.data.augment.update(rotation_degrees=10.0, shift=0.1, shear=0.15, zoom=0.1)
    config.method.network = arg.network
    config.method.ema_half_life_images = 10_000.0
    if arg.network == 'residual':
        features = (16, 8) if arg.smoke else (192, 128, 64, 32, 16)
        config.method.generator = ConfigDict({'features': features})
        config.method.discriminator = ConfigDict({'features': features})
        config.method.loss = 'relativistic'
        config.method.r1_gamma = 1.0
        config.method.r2_gamma = config.method.get_ref('r1_gamma')
        config.method.gamma_end = 0.1
        config.method.learning_rate = 1e-3
        config.method.learning_rate_end = 0.25
        config.method.b1 = 0.0
        config.method.b2 = 0.9
        config.method.b2_end = 0.99
    else:
        config.method.generator = ConfigDict({'features': 32})
        config.method.discriminator = ConfigDict({'features': 32, 'normalize': False})
        config.method.loss = 'nonsaturating'
        config.method.r1_gamma = 1.0
        config.method.penalty_every_steps = 4
        config.method.learning_rate = 1e-3
        config.method.learning_rate_end = 0.05
        config.method.b1 = 0.0
        config.method.b2 = 0.99
        config.method.augment = ConfigDict(
            {'kinds': ('color', 'translation', 'cutout'), 'probability': 1.0, 'target': 0.0}
        )
    config.run = common.run(
        smoke=arg.smoke,
        extractor='lite0',
        log_every_steps=25,
        sample_every_steps=250,
        checkpoint_every_steps=500,
    )
    return config
