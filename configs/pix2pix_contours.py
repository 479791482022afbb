r"""Translates contours to pictures, by pix2pix.

python -m experiments.train --config=configs/pix2pix_contours.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_contours.py:full]

For each color, the input has the contours at 50, 100, 150 and 200: twelve layers. After 6,000
pictures of 64 x 64, LPIPS is 0.57 with L1 alone and 0.59 with the discriminator, where the mean
picture has 0.73 (results/pix2pix_contours.md).
"""

from configs import common


def get_config(arg=None):
    arg, levels = common.parse_translation(arg), {'levels': (50, 100, 150, 200)}
    return common.translation(arg, task='filter', filter='contours', filter_options=levels)
