r"""A variational autoencoder: a baseline without an evaluator.

python -m experiments.train --config=configs/evaluator_vae.py --workdir=runs/variational
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    config = common.evaluator(arg, method='vae', scores=('references', 'rejection'))
    config.method.network = ConfigDict({'features': 32})
    config.method.latent_size = 16
    config.method.deviation = 0.3
    config.method.learning_rate = 1e-3
    return config
