r"""The judge: a Fashion-MNIST classifier of under 100,000 parameters.

python -m experiments.train --config=configs/judge_fashion_mnist.py --workdir=runs/judge
python -m imggen.features.judge --workdir=runs/judge
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict()
    config.data.name = 'fashion_mnist'
    config.data.batch_size = 8 if arg.smoke else 128
    config.data.augment = ConfigDict({'flip': True, 'shift_pixels': 2})
    config.method = ConfigDict()
    config.method.name = 'classifier'
    config.method.num_steps = 4 if arg.smoke else 11_250
    config.method.network = ConfigDict({'stages': (32, 32, 64), 'convolutions': 2})
    config.method.learning_rate = 4e-3
    config.method.weight_decay = 0.05
    config.method.label_smoothing = 0.05
    config.run = common.run(
        smoke=arg.smoke,
        log_every_steps=50,
        sample_every_steps=5000,
        checkpoint_every_steps=500,
    )
    return config
