r"""The decoder of an autoencoder as the generator, with codes like those of real images.

python -m experiments.train --config=configs/evaluator_decoder.py --workdir=runs/decoder

Trains a plain autoencoder, then draws Gaussian codes with the mean and covariance of real codes.
"""

from configs import evaluator_vae

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=30000 data.batch_size=16 --num=2000': {
        'frechet': (6.452, 0.43, 3),
        'distinct': (0.4845, 0.014, 3),
    },
    ':kind=Sneaker total_images=15000 data.batch_size=16 --num=1000': {
        'frechet': (7.94, 2.3, 3),
        'distinct': (0.3073, 0.026, 3),
    },
    ':data=folder,size=32 total_images=20000 data.batch_size=16 --num=500 --extractor=lite0': {
        'frechet': (238.2, 4.5, 3),
        'distinct': (0.1809, 0.047, 3),
    },
}


def get_config(arg=None):
    config = evaluator_vae.get_config(arg)
    config.method.kl_weight = 0.0
    config.method.sample_from = 'codes'
    return config
