r"""Compares the adversarial losses with one network and one budget, on Fashion-MNIST.

python -m experiments.sweep --config=configs/gan_losses_fashion_mnist.py --workdir=runs/losses
    --jobs=2
python -m experiments.train --config=configs/gan_losses_fashion_mnist.py --workdir=runs/one

The network is DCGAN without batch normalization in the discriminator, because the penalties are
defined by the gradient for a single image. All losses share the settings of Adam. The other options
in `get_hyper` are what a loss needs to work at all (a bound, a penalty, normalization); they are
not tuned. Over five seeds the Fréchet distances are 1.25 to 1.43, except for the Wasserstein
losses with 1.56 and 3.39 (results/gan_losses_fashion_mnist.md). At a learning rate of 2e-4 they
were 2.98 to 5.18 (results/gan_losses_slow_fashion_mnist.md).
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = common.fashion_gan(arg)
    config.method.network = 'dcgan'
    config.method.generator = ConfigDict({'features': 32})
    config.method.discriminator = ConfigDict(
        {'features': 32, 'normalize': False, 'spectral': False}
    )
    config.method.loss = 'nonsaturating'
    config.method.r1_gamma = 0.0
    config.method.r2_gamma = 0.0
    config.method.gradient_penalty = 0.0
    config.method.penalty_every_steps = 1
    config.method.weight_clip = 0.0
    config.method.discriminator_steps = 1
    return config


def get_hyper(h):
    """Every loss with the options that it needs; five seeds."""
    both = {'method.r1_gamma': 1.0, 'method.r2_gamma': 1.0}
    losses = [
        {'method.loss': 'minimax'},
        {'method.loss': 'nonsaturating'},
        {'method.loss': 'nonsaturating', **both},
        {'method.loss': 'least_squares'},
        {'method.loss': 'wasserstein', 'method.weight_clip': 0.02},
        {'method.loss': 'wasserstein', 'method.gradient_penalty': 10.0},
        {'method.loss': 'hinge', 'method.discriminator.spectral': True},
        {'method.loss': 'relativistic'},
        {'method.loss': 'relativistic', 'method.r1_gamma': 1.0},
        {'method.loss': 'relativistic', 'method.r2_gamma': 1.0},
        {'method.loss': 'relativistic', **both},
        {'method.loss': 'relativistic', **both, 'method.penalty_every_steps': 8},
    ]
    return h.product([losses, h.sweep('seed', range(5))])
