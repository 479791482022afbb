r"""Translates every picture of a subset to every other, by pix2pix.

python -m experiments.train --config=configs/pix2pix_average.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_average.py:full]

Each sub-folder of DIR is a subset. The target is another picture of the same subset, drawn anew at
every step, so the network can predict only what the pictures of a subset have in common. The
metric `spread` is the variance of the outputs divided by the variance of the targets. With L1
alone it stays at 0.15, which is the value of the subsets' medians; with the discriminator it grows
to 0.4 (results/pix2pix_average.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=6000 method.gan_weight=0.0': {
        'psnr': (11.19, 0.0051, 3),
        'lpips': (0.4582, 0.0065, 3),
    },
    'total_images=6000 method.gan_weight=1.0': {
        'psnr': (9.916, 0.036, 3),
        'lpips': (0.399, 0.014, 3),
    },
}


def get_config(arg=None):
    return common.translation(common.parse_translation(arg), task='another')
