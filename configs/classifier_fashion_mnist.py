r"""The shipped Fashion-MNIST classifier, with fewer than 100,000 parameters.

python -m experiments.train --config=configs/classifier_fashion_mnist.py --workdir=runs/classifier
python -m experiments.studies.classifier --workdir=runs/classifier

It has 84,394 parameters, an accuracy of 93.74 % on the 10,000 test images and a calibration error
of 0.042 (seed 0; the second command prints these numbers). Training takes 24 epochs at 700 to 950
images/s on 2 cores, which is about half an hour.
"""

from ml_collections import ConfigDict

from configs import common

# Options -> {metric: (mean, standard deviation, number of seeds)}.
EXPECTED = {
    '': {'test_accuracy': (0.9374, 0.0, 1)},
}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.init_from = ''
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
        scores=('classifier',),
        log_every_steps=50,
        sample_every_steps=5000,
        checkpoint_every_steps=500,
    )
    return config
