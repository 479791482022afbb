r"""The reference for the other evaluators: DCGAN on the same data.

python -m experiments.train --config=configs/evaluator_dcgan.py --workdir=runs/dcgan
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    config = common.evaluator(arg, method='gan', scores=('references',))
    config.method.network = 'dcgan'
    config.method.generator = ConfigDict({'features': 64})
    config.method.discriminator = ConfigDict({'features': 64})
    config.method.loss = 'nonsaturating'
    config.method.learning_rate = 2e-4
    config.method.b1 = 0.5
    config.method.ema_half_life_images = 5_000.0
    return config
