r"""The decoder of an autoencoder as the generator, with codes like those of real images.

python -m experiments.train --config=configs/evaluator_decoder.py --workdir=runs/decoder

Trains a plain autoencoder, then draws Gaussian codes with the mean and covariance of real codes.
"""

from configs import evaluator_vae


def get_config(arg=None):
    config = evaluator_vae.get_config(arg)
    config.method.kl_weight = 0.0
    config.method.sample_from = 'codes'
    return config
