r"""A GAN that grows: 7 x 7, then 14 x 14, then 28 x 28 Fashion-MNIST.

python -m experiments.train --config=configs/gan_growing_fashion_mnist.py --workdir=runs/growing

The same networks without growth, to compare with: --config.method.shares="(0,0,1)".
Both, five seeds, and how long each took to a distance:

python -m experiments.sweep --config=configs/gan_growing_fashion_mnist.py --workdir=runs/growth
python -m experiments.studies.reach --workdir=runs/growth --measure=frechet --values=10,5,3,2

After 60,000 images, five seeds: 2.54 +- 0.07 in 153 s grown, 1.72 +- 0.07 in 224 s from the
start (results/gan_growing_fashion_mnist.md): growth does not pay at this size.
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 64 if arg.smoke else 150_000
    config.data = ConfigDict()
    config.data.name = 'fashion_mnist'
    config.data.batch_size = 16 if arg.smoke else 32
    config.method = ConfigDict()
    config.method.name = 'growing_gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.features = (16, 8, 8) if arg.smoke else (64, 32, 16)
    config.method.shares = (1.0, 1.0, 2.0)
    config.method.fade = 0.5
    config.method.loss = 'nonsaturating'
    config.method.r1_gamma = 1.0
    config.method.penalty_every_steps = 4
    config.method.learning_rate = 1e-3
    config.method.b1 = 0.0
    config.method.b2 = 0.99
    config.method.ema_half_life_images = 10_000.0
    config.run = common.run(
        smoke=arg.smoke,
        log_every_steps=100,
        sample_every_steps=500,
        checkpoint_every_steps=400,
        measure_every_steps=200,
        keep_best=True,
        num_measured=256 if arg.smoke else 5000,
    )
    return config


def get_hyper(h):
    """With growth and without, five seeds."""
    return h.product(
        [h.sweep('method.shares', [(1.0, 1.0, 2.0), (0.0, 0.0, 1.0)]), h.sweep('seed', range(5))]
    )
