r"""DCGAN with the non-saturating loss on Fashion-MNIST.

python -m experiments.train --config=configs/gan_fashion_mnist.py --workdir=runs/gan
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.total_images = 64 if arg.smoke else 100_000
    config.data = ConfigDict()
    config.data.name = 'fashion_mnist'
    config.data.batch_size = 16 if arg.smoke else 64
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
        log_every_steps=50,
        sample_every_steps=250,
        checkpoint_every_steps=1000,
    )
    return config
