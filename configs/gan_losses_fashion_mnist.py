r"""The losses beside each other: one network, as many images, on Fashion-MNIST.

python -m experiments.sweep --config=configs/gan_losses_fashion_mnist.py --workdir=runs/losses
    --jobs=2
python -m experiments.train --config=configs/gan_losses_fashion_mnist.py --workdir=runs/one

DCGAN without batch normalization in the discriminator, which the penalties forbid: they
are of one image's gradient. One Adam for all. What `get_hyper` gives a loss beside its name is
what it needs to work at all (a bound, a penalty, normalization), not a search for its best. Five
seeds: Fréchet distances from 1.25 to 1.43 for all but the Wasserstein losses, 1.56 and 3.39
(results/gan_losses_fashion_mnist.md); at a learning rate of 2e-4 they were 2.98 to 5.18
(results/gan_losses_slow_fashion_mnist.md).
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 64 if arg.smoke else 100_000
    config.data = ConfigDict()
    config.data.name = 'fashion_mnist'
    config.data.batch_size = 16 if arg.smoke else 32
    config.method = ConfigDict()
    config.method.name = 'gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
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
    config.method.learning_rate = 1e-3
    config.method.b1 = 0.0
    config.method.b2 = 0.99
    config.method.ema_half_life_images = 10_000.0
    config.run = common.run(
        smoke=arg.smoke,
        log_every_steps=100,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
    )
    return config


def get_hyper(h):
    """Every loss with what it needs, five seeds."""
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
