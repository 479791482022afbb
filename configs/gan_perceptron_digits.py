r"""The first adversarial networks: two multilayer perceptrons on handwritten digits.

python -m experiments.train --config=configs/gan_perceptron_digits.py --workdir=runs/first
python -m experiments.sample --workdir=runs/first --num=100 --output=runs/first/hundred.png

Training makes 13 passes over the digits in batches of 5, with one discriminator update for each
generator update, and writes a checkpoint every 5 passes. It takes 32 seconds on one core, with
startup. In `experiments.evaluate --workdir=runs/first`, the Parzen window gives 13.5 +- 0.8 nats
(seed 0). As many training images give 19.8, and their k-means centers 20.7, so the value says
little about quality.
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'run.precision=float32': {'frechet': (3.520, 0.33, 3), 'parzen': (14.23, 0.81, 3)},
    'run.precision=bfloat16': {'frechet': (3.911, 0.11, 3), 'parzen': (13.18, 0.39, 3)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    return common.perceptron_gan(arg, data={'name': 'digits'}, num_train=1437)
