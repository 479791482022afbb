r"""Translates noise to pictures, by pix2pix, which makes it a pure generator.

python -m experiments.train --config=configs/pix2pix_noise.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --num=16 --output=drawn/
    [--config=configs/pix2pix_noise.py:full]

The input is uniform noise, new at every step, so it contains no information about the target. All
outputs look alike: their variance is 0.02 of that of the targets (results/pix2pix_noise.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=0.0': {
        'psnr': (11.33, 0.016, 3),
        'lpips': (0.7173, 0.00097, 3),
    },
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=1.0': {
        'psnr': (10.47, 0.34, 3),
        'lpips': (0.7457, 0.015, 3),
    },
}


def get_config(arg=None):
    return common.translation(common.parse_translation(arg), task='noise')
