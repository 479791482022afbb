r"""The classifier of the original evolution: 784 inputs, 128 hidden units, ten classes.

python -m experiments.train --config=configs/classifier_dense_fashion_mnist.py \
    --workdir=runs/classifier_dense
python -m experiments.studies.classifier --workdir=runs/classifier_dense [--save]
"""

from ml_collections import ConfigDict

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = common.config(
        'classifier',
        total_images=32 if arg.smoke else 600_000,
        data={'name': 'fashion_mnist', 'batch_size': 8 if arg.smoke else 128},
    )
    config.method.architecture = 'dense'
    config.method.network = ConfigDict({'hidden': (128,)})
    config.method.learning_rate = 1e-3
    config.method.weight_decay = 0.01
    config.method.label_smoothing = 0.0
    config.method.ema_half_life_images = 20_000.0
    config.run = common.run(
        smoke=arg.smoke,
        scores=('classifier',),
        log_every_steps=100,
        sample_every_steps=5000,
        checkpoint_every_steps=5000,
    )
    return config
