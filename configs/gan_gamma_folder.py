r"""Finds the weight of the gradient penalties for a folder of your own pictures.

python -m experiments.sweep --config=configs/gan_gamma_folder.py --config.data.path=DIR
    --workdir=runs/gamma [--jobs=2]
python -m experiments.train --config=configs/gan_gamma_folder.py --config.data.path=DIR
    --workdir=runs/gamma_one

The sweep trains configs/gan_folder.py briefly with five weights, a factor of four apart. Use the
weight with the smallest distance in the table as --config.method.r1_gamma=... of the long run.
After a colon come the arguments of the long run: `:network=residual`. A tenth of the pictures is
held out.
"""

from configs import gan_folder


def get_config(arg=None):
    config = gan_folder.get_config(arg)
    config.total_images = min(config.total_images, 30_000)
    config.data.test_fraction = 0.1
    return config


def get_hyper(h):
    """Five weights of the gradient penalties."""
    return h.sweep('method.r1_gamma', [0.0625, 0.25, 1.0, 4.0, 16.0])
