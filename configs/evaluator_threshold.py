r"""A frozen autoencoder trains a generator: images that it reconstructs well enough are good.

python -m experiments.train --config=configs/evaluator_threshold.py --workdir=runs/threshold
python -m experiments.train --config=configs/evaluator_threshold.py:data=folder \
    --config.data.path=DIR --workdir=runs/threshold_mine

Every configs/evaluator_*.py takes, after a colon, `data=fashion_mnist`, `digits` or
`folder` (images of `size=32` by default), and `kind=Sneaker` for one class of the first two.
See docs/evaluator.md.
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {'frechet': (19.45, 3.0, 3)},
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {'frechet': (30.98, 4.0, 3)},
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (423.7, 23.0, 3)
    },
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, data='fashion_mnist', kind='', size=0)
    config = common.config(
        'evaluator',
        total_images=128 if arg.smoke else 60_000,
        data=common.pictures(arg, batch_size=16 if arg.smoke else 32),
    )
    config.method.evaluator_share = 0.4
    config.method.calibration_share = 0.1
    config.method.evaluator_network = 'autoencoder'
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.guidance = 'threshold'
    config.method.false_reject_rate = 0.05
    config.method.learning_rate = 1e-3
    config.run = common.run(
        smoke=arg.smoke,
        extractor='fashion_classifier',
        scores=('references', 'rejection'),
        log_every_steps=100,
        sample_every_steps=500,
        checkpoint_every_steps=2000,
    )
    return config
