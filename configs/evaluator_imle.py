r"""RS-IMLE: every real picture chooses its nearest sample, in features of a pretrained network.

python -m experiments.train --config=configs/evaluator_imle.py --workdir=runs/imle
python -m experiments.train --config=configs/evaluator_imle.py:data=folder,size=64 \
    --config.data.path=DIR --workdir=runs/imle_mine
"""

from ml_collections import ConfigDict

from configs import common

EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (2.319, 0.072, 3),
        'distinct': (0.291, 0.01, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (2.858, 1.0, 3),
        'distinct': (0.132, 0.0053, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (178.1, 2.6, 3),
        'distinct': (0.1125, 0.0099, 3),
    },
}


def get_config(arg=None):
    config = common.evaluator(arg, method='imle', scores=('references',))
    config.method.network = 'alexnet'
    config.method.generator = ConfigDict({'features': 32})
    config.method.latent_size = 16  # A pool covers few dimensions better.
    config.method.pool_factor = 10
    config.method.epsilon = 0.05
    config.method.learning_rate = 1e-3
    config.method.ema_half_life_images = 5_000.0
    return config
