r"""A GAN that grows: 7 x 7, then 14 x 14, then 28 x 28 Fashion-MNIST.

python -m experiments.train --config=configs/gan_growing_fashion_mnist.py --workdir=runs/growing

--config.method.shares="(0,0,1)" trains the same networks without growth. These commands train both
with five seeds, and print the training time until each first reached some distances:

python -m experiments.sweep --config=configs/gan_growing_fashion_mnist.py --workdir=runs/growth
python -m experiments.studies.reach --workdir=runs/growth --measure=frechet --values=10,5,3,2

After 60,000 images the distance over five seeds is 2.54 +- 0.07 in 153 s with growth, and
1.72 +- 0.07 in 224 s without (results/gan_growing_fashion_mnist.md). Growth is not worth it at
this size.
"""

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    'total_images=60000': {'frechet': (2.542, 0.074, 5), 'recall': (0.2872, 0.023, 5)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = common.fashion_gan(
        arg,
        method='growing_gan',
        total_images=150_000,
        checkpoint_every_steps=400,
        measure_every_steps=200,
        keep_best=True,
        num_measured=256 if arg.smoke else 5000,
    )
    config.method.features = (16, 8, 8) if arg.smoke else (64, 32, 16)
    config.method.shares = (1.0, 1.0, 2.0)
    config.method.fade = 0.5
    config.method.loss = 'nonsaturating'
    config.method.r1_gamma = 1.0
    config.method.penalty_every_steps = 4
    return config


def get_hyper(h):
    """With and without growth; five seeds."""
    return h.product(
        [h.sweep('method.shares', [(1.0, 1.0, 2.0), (0.0, 0.0, 1.0)]), h.sweep('seed', range(5))]
    )
