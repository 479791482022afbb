r"""BEGAN: a controller keeps the autoencoder and the generator in balance.

python -m experiments.train --config=configs/evaluator_began.py --workdir=runs/equilibrium

The batch is small, because finding the balance takes many steps.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    config = common.evaluator(arg, method='began', scores=('references', 'rejection'))
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.gamma = 0.8
    config.method.gain = 0.03
    config.method.evaluator_learning_rate = 1e-3
    config.method.learning_rate = 1e-3
    return config
