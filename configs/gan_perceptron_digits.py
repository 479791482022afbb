r"""The first adversarial networks: two multilayer perceptrons on handwritten digits.

python -m experiments.train --config=configs/gan_perceptron_digits.py --workdir=runs/first
python -m experiments.sample --workdir=runs/first --num=100 --output=runs/first/hundred.png

Training makes 13 passes over the digits in batches of 5, with one discriminator update for each
generator update, and writes a checkpoint every 5 passes. It takes 32 seconds on one core, with
startup. In `experiments.evaluate --workdir=runs/first`, the Parzen window gives 13.5 +- 0.8 nats
(seed 0). As many training images give 19.8, and their k-means centers 20.7, so the value says
little about quality.
"""

from ml_collections import ConfigDict

from configs import common

_NUM_TRAIN = 1437  # Number of training images.


def get_config(arg=None):
    arg = common.parse(arg, smoke=False)
    config = ConfigDict()
    config.seed = 0
    config.init_from = ''
    config.epochs = 1 if arg.smoke else 13
    config.data = ConfigDict()
    config.data.name = 'digits'
    config.data.batch_size = 8 if arg.smoke else 5
    config.method = ConfigDict()
    config.method.name = 'gan'
    steps_per_epoch = _NUM_TRAIN // config.data.get_ref('batch_size')
    config.method.num_steps = config.get_ref('epochs') * steps_per_epoch
    config.method.network = 'perceptron'
    config.method.generator = ConfigDict({'features': (16,) if arg.smoke else (256, 256)})
    config.method.discriminator = ConfigDict({'features': (8,) if arg.smoke else (64, 64)})
    config.method.discriminator_steps = 1
    config.method.loss = 'nonsaturating'
    config.method.learning_rate = 3e-4
    config.method.b1 = 0.5
    config.method.ema_half_life_images = 1000.0
    config.run = common.run(
        smoke=arg.smoke,
        extractor='pixels',
        scores=('parzen',),
        log_every_steps=50,
        sample_every_steps=steps_per_epoch,
        checkpoint_every_steps=5 * steps_per_epoch,
        num_samples=100,
    )
    return config
