r"""BEGAN: the autoencoder and the generator held in balance by a control.

python -m experiments.train --config=configs/evaluator_equilibrium.py --workdir=runs/equilibrium

The batch is small, for the balance takes many steps to find.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, data='fashion_mnist', kind='', size=32)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 128 if arg.smoke else 60_000
    config.data = common.pictures(arg, batch_size=16)
    config.method = ConfigDict()
    config.method.name = 'boundary_equilibrium'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.gamma = 0.8
    config.method.gain = 0.03
    config.method.evaluator_learning_rate = 1e-3
    config.method.learning_rate = 1e-3
    config.run = common.run(
        smoke=arg.smoke,
        scores=('references', 'rejection'),
        log_every_steps=200,
        sample_every_steps=1000,
        checkpoint_every_steps=4000,
    )
    return config
