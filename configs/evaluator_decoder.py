r"""The evaluator's own decoder as the generator: codes drawn like those of real pictures.

python -m experiments.train --config=configs/evaluator_decoder.py --workdir=runs/decoder

A plain autoencoder, then Gaussian codes with the mean and covariance of real ones.
"""

from configs import evaluator_vae


def get_config(arg=None):
    config = evaluator_vae.get_config(arg)
    config.method.kl_weight = 0.0
    config.method.sample_from = 'codes'
    return config
