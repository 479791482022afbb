r"""DCGAN with the non-saturating loss on Fashion-MNIST.

python -m experiments.train --config=configs/gan_fashion_mnist.py --workdir=runs/gan
python -m experiments.evaluate --workdir=runs/gan

Three seeds: Fréchet distance 2.05 +- 0.11 in the judge's features, 10,000 generated against
10,000 test images (real against real 0.0075), precision .76, recall .45
(results/gan_baselines_fashion_mnist.md); seed 0 on 2 cores took 3.7 minutes with the evaluation.
In batches of 64, half the updates of as many images, it was 2.79 (seed 0).
"""

from ml_collections import ConfigDict

from configs import common

# Measure: (mean, standard deviation, seeds).
EXPECTED = {'frechet': (2.045, 0.11, 3)}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 64 if arg.smoke else 100_000
    config.data = ConfigDict()
    config.data.name = 'fashion_mnist'
    config.data.batch_size = 16 if arg.smoke else 32
    config.method = ConfigDict()
    config.method.name = 'gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.network = 'dcgan'
    config.method.generator = ConfigDict({'features': 64})
    config.method.discriminator = ConfigDict({'features': 64})
    config.method.loss = 'nonsaturating'
    config.method.learning_rate = 2e-4
    config.method.b1 = 0.5
    config.method.ema_half_life_images = 10_000.0
    config.run = common.run(
        smoke=arg.smoke,
        log_every_steps=100,
        sample_every_steps=500,
        checkpoint_every_steps=1000,
    )
    return config
