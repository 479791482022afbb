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
        'frechet': (17.83, 4.4, 3)
    },
    'total_images=30000 data.batch_size=16 --num=2000 method.reference_epochs=10': {
        'frechet': (16.1, 2.5, 5)
    },
    'total_images=30000 data.batch_size=16 --num=2000 method.reference_epochs=5': {
        'frechet': (15.22, 4.4, 5)
    },
    'total_images=30000 data.batch_size=16 --num=2000 method.reference_epochs=50': {
        'frechet': (15.13, 2.8, 5)
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000 method.reference_epochs=10': {
        'frechet': (26.28, 3.3, 5)
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000 method.reference_epochs=5': {
        'frechet': (26.89, 6.4, 5)
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000 method.reference_epochs=50': {
        'frechet': (26.27, 4.8, 5)
    },
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
