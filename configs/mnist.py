r"""Generators on all of MNIST: the first adversarial networks, DCGAN, and a flow.

python -m experiments.prepare mnist --output=data/mnist
python -m experiments.train --config=configs/mnist.py --config.data.path=data/mnist
    --workdir=runs/mnist
    [--config=configs/mnist.py:network=dcgan]
    [--config=configs/mnist.py:network=flow]
    [--config=configs/mnist.py:tfds]

The first networks (`perceptron`) make 13 passes over the 60,000 digits in batches of 5, with one
discriminator update for each generator update. `dcgan` and `flow` are those of
configs/gan_fashion_mnist.py and configs/flow_fashion_mnist.py. With `:tfds` the digits come from
tensorflow-datasets, where `mnist` must have been prepared.
"""

from configs import common, flow_fashion_mnist, gan_fashion_mnist
from imggen import options

EXPECTED = {
    '--num=10000': {'frechet': (26.42, 5.2, 3), 'parzen': (113.2, 33.0, 3)},
    ':network=dcgan --num=10000': {'frechet': (11.91, 1.1, 3), 'parzen': (118.6, 2.9, 3)},
    ':network=flow --num=10000': {'frechet': (5.408, 0.21, 3), 'parzen': (172.0, 3.4, 3)},
}
_CLOTHES = {'dcgan': gan_fashion_mnist, 'flow': flow_fashion_mnist}


def get_config(arg=None):
    arg = common.parse(arg, smoke=False, tfds=False, network='perceptron')
    data = {'name': 'tfds', 'dataset': 'mnist'} if arg.tfds else {'name': 'idx', 'path': ''}
    if arg.network == 'perceptron':
        return common.perceptron_gan(arg, data=data, num_train=60_000)
    clothes = options.choose(
        {'perceptron': None, **_CLOTHES}, arg.network, where='config argument network'
    )
    config = clothes.get_config('smoke' if arg.smoke else None)
    config.data.update(data)
    config.run.update(extractor='pixels', scores=('parzen',))
    return config
