r"""A variational autoencoder: the baseline that needs no judge.

python -m experiments.train --config=configs/evaluator_variational.py --workdir=runs/variational
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
    config.method.name = 'variational'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.network = ConfigDict({'features': 32})
    config.method.latent_size = 16
    config.method.deviation = 0.3
    config.method.learning_rate = 1e-3
    config.run = common.run(
        smoke=arg.smoke,
        scores=('references', 'rejection'),
        log_every_steps=200,
        sample_every_steps=1000,
        checkpoint_every_steps=4000,
    )
    return config
