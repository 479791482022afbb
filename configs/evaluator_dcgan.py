r"""The bar: DCGAN, whose discriminator only says real or generated, with the data of the others.

python -m experiments.train --config=configs/evaluator_dcgan.py --workdir=runs/bar
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
    config.method.name = 'gan'
    config.method.num_steps = config.get_ref('total_images') // config.data.get_ref('batch_size')
    config.method.network = 'dcgan'
    config.method.generator = ConfigDict({'features': 64})
    config.method.discriminator = ConfigDict({'features': 64})
    config.method.loss = 'nonsaturating'
    config.method.learning_rate = 2e-4
    config.method.b1 = 0.5
    config.method.ema_half_life_images = 5_000.0
    config.run = common.run(
        smoke=arg.smoke,
        scores=('references',),
        log_every_steps=200,
        sample_every_steps=1000,
        checkpoint_every_steps=4000,
    )
    return config
