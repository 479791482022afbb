r"""A variational autoencoder: a baseline without an evaluator.

python -m experiments.train --config=configs/evaluator_vae.py --workdir=runs/vae
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (10.8, 0.36, 3),
        'distinct': (0.4183, 0.03, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (23.41, 0.36, 3),
        'distinct': (0.2623, 0.043, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (305.3, 4.2, 3),
        'distinct': (0.161, 0.021, 3),
    },
}


def get_config(arg=None):
    config = common.evaluator(arg, method='vae', scores=('references', 'rejection'))
    config.method.network = ConfigDict({'features': 32})
    config.method.latent_size = 16
    config.method.deviation = 0.3
    config.method.learning_rate = 1e-3
    return config
