r"""As evaluator_diversity.py, with distances in the features of a pretrained network.

python -m experiments.train --config=configs/evaluator_energy.py --workdir=runs/energy

The autoencoder only measures here, and learns for a tenth of the steps.
"""

from configs import evaluator_diversity

EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (3.809, 0.21, 3),
        'distinct': (0.4893, 0.0075, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (1.991, 0.37, 3),
        'distinct': (0.405, 0.016, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (193.5, 3.7, 3),
        'distinct': (0.1083, 0.013, 3),
    },
}


def get_config(arg=None):
    config = evaluator_diversity.get_config(arg)
    config.method.features = 'alexnet'
    config.method.evaluator_share = 0.08
    config.method.calibration_share = 0.02
    return config
