r"""EBGAN: the autoencoder is the discriminator, with a margin and a pulling-away term.

python -m experiments.train --config=configs/evaluator_ebgan.py --workdir=runs/ebgan
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (4.362, 0.47, 3),
        'distinct': (0.657, 0.0046, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (1.354, 0.22, 3),
        'distinct': (0.4683, 0.01, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (236.8, 14.0, 3),
        'distinct': (0.1197, 0.019, 3),
    },
}


def get_config(arg=None):
    config = common.evaluator(arg, method='ebgan', scores=('references', 'rejection'))
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.margin = 0.2
    config.method.pulling_away = 0.1
    config.method.evaluator_learning_rate = 1e-3
    config.method.learning_rate = 1e-3
    return config
