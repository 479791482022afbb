r"""Translates contours to pictures, by pix2pix.

python -m experiments.train --config=configs/pix2pix_contours.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_contours.py:perceptual]  [...:bridge]  [...:full]

For each color, the input has the contours at 50, 100, 150 and 200: twelve layers. After 6,000
pictures of 64 x 64, LPIPS is 0.57 with L1 alone and 0.59 with the discriminator, where the mean
picture has 0.73 (results/pix2pix_contours.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    ':perceptual data.test_fraction=0.2 data.fit=tiles total_images=12000': {
        'psnr': (13.77, 0.0, 1),
        'lpips': (0.4964, 0.0, 1),
    },
    ':bridge data.test_fraction=0.2 data.fit=tiles total_images=12000': {
        'psnr': (11.45, 0.0, 1),
        'lpips': (0.6679, 0.0, 1),
    },
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=0.0': {
        'psnr': (15.45, 0.11, 3),
        'lpips': (0.5679, 0.0065, 3),
    },
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=1.0': {
        'psnr': (15.26, 0.34, 3),
        'lpips': (0.5899, 0.0078, 3),
    },
}


def get_config(arg=None):
    arg, levels = common.parse_translation(arg), {'levels': (50, 100, 150, 200)}
    return common.translation(arg, task='filter', filter='contours', filter_options=levels)
