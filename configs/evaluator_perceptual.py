r"""As evaluator_reference.py, with distances in the evaluator's features instead of in pixels.

python -m experiments.train --config=configs/evaluator_perceptual.py --workdir=runs/perceptual
"""

from configs import evaluator_reference

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {'frechet': (13.54, 1.6, 3)},
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {'frechet': (1.389, 0.36, 3)},
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (214.8, 32.0, 3)
    },
}


def get_config(arg=None):
    config = evaluator_reference.get_config(arg)
    config.method.guidance = 'features'
    return config
