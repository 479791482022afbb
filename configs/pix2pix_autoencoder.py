r"""pix2pix as an autoencoder: input and target are the same picture.

python -m experiments.train --config=configs/pix2pix_autoencoder.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --validation --output=W/page
    [--config=configs/pix2pix_autoencoder.py:full]

It shows how much the network can represent. `:full` has the published size: 256 x 256
(cropped from 286 x 286), 64 features, 8 levels, one picture in a step. Other sizes are set by
`:full,size=HEIGHTxWIDTH`, such as 256x320 or 480x360. Every tenth picture, chosen by its name, is
held out for the evaluation and for the sheets of samples. After 6,000 pictures of 64 x 64, PSNR is
28.0 dB with L1 alone and 27.1 dB with the discriminator (results/pix2pix_autoencoder.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=0.0': {
        'psnr': (28.01, 0.19, 3),
        'lpips': (0.1324, 0.00016, 3),
    },
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=1.0': {
        'psnr': (27.07, 0.041, 3),
        'lpips': (0.144, 0.0031, 3),
    },
}


def get_config(arg=None):
    return common.translation(common.parse_translation(arg))
