r"""Mode collapse measured: stacks of three Fashion-MNIST pictures have 1,000 modes.

python -m experiments.sweep --config=configs/gan_stacked_fashion_mnist.py --workdir=runs/stacked
    --jobs=2
python -m experiments.train --config=configs/gan_stacked_fashion_mnist.py --workdir=runs/one

The measure is imggen/metrics/modes.py: modes reached, and KL from the uniform
distribution, of 26,000 samples; a perfect sampler's KL is 0.019.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, full=False, network='dcgan')
    config = ConfigDict()
    config.seed = 0
    config.total_images = 64 if arg.smoke else 1_000_000 if arg.full else 200_000
    config.data = ConfigDict()
    config.data.name = 'stacked'
    config.data.num_examples = 1000 if arg.smoke else 128_000
    config.data.batch_size = 16 if arg.smoke else 32
    config.method = ConfigDict()
    config.method.name = 'gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.network = arg.network
    config.method.loss = 'relativistic'
    config.method.r1_gamma = 1.0
    config.method.r2_gamma = 1.0
    config.method.penalty_every_steps = 1
    config.method.b1 = 0.0
    if arg.network == 'residual':
        features = (16, 8) if arg.smoke else (96, 48, 16)
        config.method.generator = ConfigDict({'features': features})
        config.method.discriminator = ConfigDict({'features': features})
        config.method.gamma_end = 0.1
        config.method.learning_rate = 1e-3
        config.method.learning_rate_end = 0.25
        config.method.b2 = 0.9
        config.method.b2_end = 0.99
    else:
        features = 8 if arg.smoke else 64 if arg.full else 32
        config.method.generator = ConfigDict({'features': features})
        config.method.discriminator = ConfigDict({'features': features, 'normalise': False})
        config.method.learning_rate = 2e-3
        config.method.learning_rate_end = 0.05
        config.method.b2 = 0.99
    config.method.ema_half_life_images = 50_000.0 if arg.full else 10_000.0
    config.run = common.run(
        smoke=arg.smoke,
        extractor='',
        scores=('modes',),
        log_every_steps=100,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
    )
    return config


def get_hyper(h):
    """The relativistic loss and its penalties, one after another; three seeds."""
    names = ('method.loss', 'method.r1_gamma', 'method.r2_gamma', 'method.penalty_every_steps')
    variants = [
        ('nonsaturating', 0.0, 0.0, 1),
        ('relativistic', 0.0, 0.0, 1),
        ('relativistic', 1.0, 0.0, 1),
        ('relativistic', 0.0, 1.0, 1),
        ('relativistic', 1.0, 1.0, 1),
        ('relativistic', 1.0, 1.0, 8),
    ]
    points = [dict(zip(names, values, strict=True)) for values in variants]
    return h.product([points, h.sweep('seed', range(3))])
