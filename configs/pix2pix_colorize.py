r"""Colorizes gray pictures, by pix2pix.

python -m experiments.train --config=configs/pix2pix_colorize.py --config.data.path=DIR
    --workdir=W
python -m experiments.translate --workdir=W --input=black_and_white/ --output=colored/
    [--config=configs/pix2pix_colorize.py:colors=rgb]  [...:full]

The network predicts only a and b of CIELAB; lightness comes from the input. With `colors=rgb` it
predicts all three channels, as in the original. Training takes 200 epochs of 64 batches, as in the
original. Pictures without color are skipped. The sweep of get_hyper trains each color space with
and without a discriminator, with three seeds each. On 64 x 64 crops of 34 photographs, seven of
them held out, LPIPS is 0.270 (L1 alone) and 0.284 in Lab, and 0.391 and 0.403 in RGB; the gray
input has 0.359 (results/pix2pix_colorize.md).
"""

from configs import common

_MEASURED = 'data.test_fraction=0.2 data.fit=tiles total_images=24000'
EXPECTED = {
    f'{_MEASURED} method.colors=rgb method.gan_weight=0.0': {
        'psnr': (19.22, 0.036, 3),
        'lpips': (0.3906, 0.00088, 3),
    },
    f'{_MEASURED} method.colors=rgb method.gan_weight=1.0': {
        'psnr': (18.65, 0.11, 3),
        'lpips': (0.4034, 0.0072, 3),
    },
    f'{_MEASURED} method.colors=lab method.gan_weight=0.0': {
        'psnr': (20.75, 0.13, 3),
        'lpips': (0.2704, 0.0035, 3),
    },
    f'{_MEASURED} method.colors=lab method.gan_weight=1.0': {
        'psnr': (20.15, 0.056, 3),
        'lpips': (0.2838, 0.0098, 3),
    },
}


def get_config(arg=None):
    arg = common.parse_translation(arg, colors='lab')
    config = common.translation(arg, task='filter', filter='gray', require_color=True)
    if not arg.bridge:
        config.method.colors = arg.colors
    if not arg.smoke:
        config.total_images = 200 * 64 * config.data.batch_size
    return config


def get_hyper(h):
    """RGB and Lab, L1 alone and with the discriminator; three seeds."""
    return h.product(
        [
            h.sweep('method.colors', ['rgb', 'lab']),
            h.sweep('method.gan_weight', [0.0, 1.0]),
            h.sweep('seed', range(3)),
        ]
    )
