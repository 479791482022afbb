r"""GFMN: mean and variance of a pretrained network's features should be those of real pictures.

python -m experiments.train --config=configs/evaluator_moments.py --workdir=runs/moments
"""

from configs import evaluator_imle

EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (2.52, 0.097, 3),
        'distinct': (0.3495, 0.0026, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (0.4777, 0.16, 3),
        'distinct': (0.2873, 0.033, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (189.5, 14.0, 3),
        'distinct': (0.05271, 0.018, 3),
    },
}


def get_config(arg=None):
    config = evaluator_imle.get_config(arg)
    config.method.name = 'moments'
    config.method.latent_size = 64
    config.method.measure_share = 0.1
    config.method.average_learning_rate = 3e-4
    config.method.learning_rate = 5e-4
    del config.method['pool_factor'], config.method['epsilon']
    return config
