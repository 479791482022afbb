r"""The reference for the other evaluators: DCGAN on the same data.

python -m experiments.train --config=configs/evaluator_dcgan.py --workdir=runs/dcgan
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (1.866, 0.079, 3),
        'distinct': (0.7057, 0.012, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (0.416, 0.16, 3),
        'distinct': (0.498, 0.017, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (198.5, 7.1, 3),
        'distinct': (0.1845, 0.0033, 3),
    },
}


def get_config(arg=None):
    config = common.evaluator(arg, method='gan', scores=('references',))
    config.method.network = 'dcgan'
    config.method.generator = ConfigDict({'features': 64})
    config.method.discriminator = ConfigDict({'features': 64})
    config.method.loss = 'nonsaturating'
    config.method.learning_rate = 1e-3
    config.method.b1 = 0.5
    config.method.ema_half_life_images = 5_000.0
    return config
