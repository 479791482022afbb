r"""BEGAN: a controller keeps the autoencoder and the generator in balance.

python -m experiments.train --config=configs/evaluator_began.py --workdir=runs/began

The batch is small, because finding the balance takes many steps.
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=100000 data.batch_size=16 --num=2000': {
        'frechet': (3.101, 0.65, 3),
        'distinct': (0.5747, 0.0077, 3),
    },
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (4.065, 0.18, 3),
        'distinct': (0.4068, 0.0043, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (0.6726, 0.05, 3),
        'distinct': (0.08733, 0.056, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (387.8, 6.7, 3),
        'distinct': (0.0007123, 0.0012, 3),
    },
}


def get_config(arg=None):
    config = common.evaluator(arg, method='began', scores=('references', 'rejection'))
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.gamma = 0.8
    config.method.gain = 0.03
    config.method.evaluator_learning_rate = 1e-3
    config.method.learning_rate = 1e-3
    return config
