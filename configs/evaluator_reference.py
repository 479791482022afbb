r"""The evaluator's output for a generated image should be a reference, which changes over time.

python -m experiments.train --config=configs/evaluator_reference.py --workdir=runs/reference
python -m experiments.sweep --config=configs/evaluator_reference.py --workdir=runs/references

The sweep changes the reference every 5, 10 and 50 of 50 epochs, with 5 seeds each. References are
real images, drawn at random or chosen: --config.method.references=0,3,8,1,6 are indices in the
first batch, which samples/real.png shows.
"""

from configs import evaluator_threshold

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=100000 data.batch_size=16 --num=2000 method.reference_epochs=10': {
        'frechet': (16.39, 4.4, 3)
    },
    'total_images=30000 data.batch_size=16 --num=2000 method.reference_epochs=5': {
        'frechet': (16.37, 5.8, 3)
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000 method.reference_epochs=5': {
        'frechet': (28.16, 7.6, 3),
        'distinct': (0.001333, 0.0015, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 '
    '--extractor=lite0 method.reference_epochs=5': {'frechet': (455.0, 14.0, 3)},
    'total_images=30000 data.batch_size=16 --num=2000 method.reference_epochs=10': {
        'frechet': (15.12, 1.4, 3),
        'distinct': (0.0006667, 0.00076, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000 method.reference_epochs=10': {
        'frechet': (27.09, 3.8, 3)
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 '
    '--extractor=lite0 method.reference_epochs=10': {
        'frechet': (477.6, 21.0, 3),
        'distinct': (0.0007123, 0.0012, 3),
    },
    'total_images=30000 data.batch_size=16 --num=2000 method.reference_epochs=50': {
        'frechet': (15.9, 3.6, 3)
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000 method.reference_epochs=50': {
        'frechet': (24.33, 4.7, 3)
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 '
    '--extractor=lite0 method.reference_epochs=50': {'frechet': (477.6, 6.3, 3)},
}


def get_config(arg=None):
    config = evaluator_threshold.get_config(arg)
    config.method.guidance = 'reference'
    config.method.num_epochs = 50
    config.method.reference_epochs = 10
    config.method.references = ()
    return config


def get_hyper(h):
    periods = h.sweep('method.reference_epochs', (5, 10, 50))
    return h.product([periods, h.sweep('seed', range(5))])
