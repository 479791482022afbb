r"""The first adversarial networks on all of MNIST: two multilayer perceptrons.

python -m experiments.prepare mnist --output=data/mnist
python -m experiments.train --config=configs/gan_mnist.py --config.data.path=data/mnist
    --workdir=runs/mnist
    [--config=configs/gan_mnist.py:tfds]

Training makes 13 passes over the 60,000 digits in batches of 5, with one discriminator update for
each generator update. With `:tfds` the digits come from tensorflow-datasets, where `mnist` must
have been prepared.
"""

from configs import common


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, tfds=False)
    data = {'name': 'tfds', 'dataset': 'mnist'} if arg.tfds else {'name': 'idx', 'path': ''}
    return common.perceptron_gan(arg, data=data, num_train=60_000)
