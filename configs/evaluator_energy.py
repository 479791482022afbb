r"""EBGAN: the autoencoder learns against the generator, with a margin and a pulling-away term.

python -m experiments.train --config=configs/evaluator_energy.py --workdir=runs/energy
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
    config.method.name = 'energy_gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.evaluator = ConfigDict({'features': 32, 'code_size': 64})
    config.method.generator = ConfigDict({'features': 32})
    config.method.margin = 0.2
    config.method.pulling_away = 0.1
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
