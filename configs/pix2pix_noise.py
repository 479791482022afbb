r"""Translates noise to pictures, by pix2pix, which makes it a pure generator.

python -m experiments.train --config=configs/pix2pix_noise.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --num=16 --output=drawn/
    [--config=configs/pix2pix_noise.py:full]

The input is uniform noise, new at every step, so it contains no information about the target. All
outputs look alike: their variance is 0.02 of that of the targets (results/pix2pix_noise.md).
"""

from configs import common


def get_config(arg=None):
    return common.translation(common.parse_translation(arg), task='noise')
