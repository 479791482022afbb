r"""Generated images should be near many references and far from each other, in features.

python -m experiments.train --config=configs/evaluator_diversity.py --workdir=runs/diversity

The images of every batch are the references. With a weight of 1/2 the two terms are an energy
distance, which is smallest if generated and real images have the same distribution.
"""

from configs import evaluator_perceptual

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (5.615, 0.55, 3),
        'distinct': (0.5825, 0.0056, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (7.636, 0.5, 3),
        'distinct': (0.409, 0.011, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (256.4, 7.9, 3),
        'distinct': (0.1382, 0.012, 3),
    },
}


def get_config(arg=None):
    config = evaluator_perceptual.get_config(arg)
    config.method.reference_epochs = 0
    config.method.diversity = 0.5
    config.method.ema_half_life_images = 5_000.0
    return config
