r"""Translates Canny's edges to pictures, by pix2pix.

python -m experiments.train --config=configs/pix2pix_canny.py --config.data.path=DIR
    --workdir=W
    [--config=configs/pix2pix_canny.py:full]

The input is one layer of edges for each color, which contains too little information: after 6,000
pictures of 64 x 64, PSNR is 11.8 dB with L1 alone, where the mean picture has 11.2
(results/pix2pix_canny.md).
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=0.0': {
        'psnr': (11.81, 0.038, 3),
        'lpips': (0.6336, 0.0062, 3),
    },
    'data.test_fraction=0.2 data.fit=tiles total_images=6000 method.gan_weight=1.0': {
        'psnr': (11.2, 0.26, 3),
        'lpips': (0.706, 0.035, 3),
    },
}


def get_config(arg=None):
    arg, edges = common.parse_translation(arg), {'low': 100.0, 'high': 200.0, 'sigma': 0.0}
    return common.translation(arg, task='filter', filter='canny', filter_options=edges)
