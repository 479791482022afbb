r"""A convolutional network as the evaluator: it classifies images as real or not.

python -m experiments.train --config=configs/evaluator_cnn.py --workdir=runs/cnn

It learns to tell real images from noise, random shapes and shuffled patches. It is then frozen
and trains the generator.
"""

from configs import evaluator_threshold

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (30.68, 4.7, 3),
        'distinct': (0.0005, 0.0005, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (26.53, 1.5, 3),
        'distinct': (0.001333, 0.00058, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (429.5, 36.0, 3)
    },
}


def get_config(arg=None):
    config = evaluator_threshold.get_config(arg)
    config.method.evaluator_network = 'cnn'
    del config.method.evaluator['code_size']
    return config
