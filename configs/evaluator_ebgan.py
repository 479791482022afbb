r"""EBGAN: the autoencoder is the discriminator, with a margin and a pulling-away term.

python -m experiments.train --config=configs/evaluator_ebgan.py --workdir=runs/energy
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    config = common.evaluator(arg, method='ebgan', scores=('references', 'rejection'))
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.margin = 0.2
    config.method.pulling_away = 0.1
    config.method.evaluator_learning_rate = 1e-3
    config.method.learning_rate = 1e-3
    return config
