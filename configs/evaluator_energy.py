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
}


def get_config(arg=None):
    config = evaluator_diversity.get_config(arg)
    config.method.features = 'alexnet'
    config.method.evaluator_share = 0.08
    config.method.calibration_share = 0.02
    return config
