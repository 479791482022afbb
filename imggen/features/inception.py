"""Inception-v3 as the Fréchet inception distance of the literature uses it.

Szegedy et al., 'Rethinking the Inception Architecture', 2015, in the graph of
2015-12-05 that Heusel et al. 2017 used. It differs from the paper and from torchvision in
five places, and the numbers depend on each:

  input     uint8, resized to 299x299 as TensorFlow 1 does (no antialiasing, corners
            not aligned, no half-pixel shift), then (x - 128) / 128
  pooling   average pools of the blocks do not count padding
  Mixed_7c  the pool of the last block is a max pool; that of Mixed_7b is an average pool
  norm      batch normalization with epsilon 1e-3, without scale
  classes   1008 logits; the metrics use them without their bias

The weights are those of torch-fidelity, converted from that graph. Parameters are
{'Conv2d_1a_3x3': {'kernel': [height, width, in, out], 'bias': [out]}, ...}, named as
in the file, batch normalization folded in, and {'fc': {'kernel': [2048, 1008], 'bias'}}.
"""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from imggen.features import layers, pickles, weights
from imggen.features.extractor import Extractor, digest

Params = Mapping[str, Mapping[str, Any]]

FILE_NAME = 'weights-inception-2015-12-05-6726825d.pth'
URL = f'https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE_NAME}'
PATH_VARIABLE = 'IMGGEN_INCEPTION'
_SHA256 = '6726825d'  # The digits that the publisher put into the name.

_SIZE = 299
_EPSILON = 1e-3

# A block concatenates its branches in order. A branch is a chain of convolutions. A tuple in it
# stands for two side by side, concatenated. A name in capitals is a pool. '/2' means stride 2
# without padding; every reduction has it.
_BLOCK_A = (
    ('branch1x1',),
    ('branch5x5_1', 'branch5x5_2'),
    ('branch3x3dbl_1', 'branch3x3dbl_2', 'branch3x3dbl_3'),
    ('AVERAGE', 'branch_pool'),
)
_BLOCK_B = (
    ('branch3x3/2',),
    ('branch3x3dbl_1', 'branch3x3dbl_2', 'branch3x3dbl_3/2'),
    ('MAX/2',),
)
_BLOCK_C = (
    ('branch1x1',),
    ('branch7x7_1', 'branch7x7_2', 'branch7x7_3'),
    (
        'branch7x7dbl_1',
        'branch7x7dbl_2',
        'branch7x7dbl_3',
        'branch7x7dbl_4',
        'branch7x7dbl_5',
    ),
    ('AVERAGE', 'branch_pool'),
)
_BLOCK_D = (
    ('branch3x3_1', 'branch3x3_2/2'),
    ('branch7x7x3_1', 'branch7x7x3_2', 'branch7x7x3_3', 'branch7x7x3_4/2'),
    ('MAX/2',),
)
_BLOCK_E = (
    ('branch1x1',),
    ('branch3x3_1', ('branch3x3_2a', 'branch3x3_2b')),
    ('branch3x3dbl_1', 'branch3x3dbl_2', ('branch3x3dbl_3a', 'branch3x3dbl_3b')),
)
_BLOCKS = {
    'Mixed_5b': _BLOCK_A,
    'Mixed_5c': _BLOCK_A,
    'Mixed_5d': _BLOCK_A,
    'Mixed_6a': _BLOCK_B,
    'Mixed_6b': _BLOCK_C,
    'Mixed_6c': _BLOCK_C,
    'Mixed_6d': _BLOCK_C,
    'Mixed_6e': _BLOCK_C,
    'Mixed_7a': _BLOCK_D,
    'Mixed_7b': (*_BLOCK_E, ('AVERAGE', 'branch_pool')),
    'Mixed_7c': (*_BLOCK_E, ('MAX', 'branch_pool')),
}
_POOLS = {
    'AVERAGE': lambda x: layers.avg_pool(x, 3, 1, padding='SAME'),
    'MAX': lambda x: layers.max_pool(x, 3, 1, padding='SAME'),
    'MAX/2': lambda x: layers.max_pool(x, 3, 2),
}


def apply(params: Params, images: jax.Array) -> dict[str, jax.Array]:
    """Returns the features and logits of images.

    Args:
      params: from `pretrained` or `from_tensors`.
      images: float32 [n, height, width, 1 or 3] in [-1, 1]. They are rounded to uint8 first.

    Returns:
      {'features': float32 [n, 2048], for the Fréchet distance; 'logits': float32 [n, 1008]
      without their bias, for the Inception score}.
    """
    with jax.default_matmul_precision('highest'):
        levels = jnp.clip(jnp.round(layers.rgb(images) * 127.5 + 127.5), 0.0, 255.0)
        x = (resize(levels) - 128.0) / 128.0
        x = _conv(x, params['Conv2d_1a_3x3'], stride=2, padding=0)
        x = _conv(x, params['Conv2d_2a_3x3'], padding=0)
        x = _conv(x, params['Conv2d_2b_3x3'])
        x = layers.max_pool(x, 3, 2)
        x = _conv(x, params['Conv2d_3b_1x1'])
        x = _conv(x, params['Conv2d_4a_3x3'], padding=0)
        x = layers.max_pool(x, 3, 2)
        for name, branches in _BLOCKS.items():
            outputs = [_chain(x, params, name, branch) for branch in branches]
            x = jnp.concatenate(outputs, axis=-1)
        features = x.mean((1, 2))
        return {'features': features, 'logits': features @ params['fc']['kernel']}


def resize(images: jax.Array) -> jax.Array:
    """Resizes to 299x299 as TensorFlow 1 does: output pixel i samples input position i * in / out.

    [n, height, width, channels] -> [n, 299, 299, channels].
    """
    for axis in (1, 2):
        size = images.shape[axis]
        position = np.arange(_SIZE, dtype=np.float32) * np.float32(size / _SIZE)
        low = position.astype(np.int32)
        high = np.minimum(low + 1, size - 1)
        weight = np.expand_dims(position - low, [a for a in range(4) if a != axis])
        start, end = jnp.take(images, low, axis), jnp.take(images, high, axis)
        images = start + (end - start) * weight
    return images


def from_tensors(tensors: Mapping[str, np.ndarray]) -> Params:
    """Turns a PyTorch state dict into parameters: OIHW to HWIO, batch normalization folded in.

    Raises:
      KeyError: a tensor is missing.
    """
    params = {
        'fc': {'kernel': tensors['fc.weight'].T.copy(), 'bias': tensors['fc.bias']},
    }
    statistics = ('weight', 'bias', 'running_mean', 'running_var')
    for name in _conv_names():
        kernel = tensors[f'{name}.conv.weight'].transpose(2, 3, 1, 0)
        norm = (tensors[f'{name}.bn.{statistic}'] for statistic in statistics)
        params[name] = layers.fold_batch_norm(kernel, *norm, _EPSILON)
    return params


def pretrained() -> Params:
    """Returns the published weights.

    The file is expected at the path in IMGGEN_INCEPTION, if that is set, or else in PyTorch's
    folder of downloads, to which it is fetched if it is missing.

    Raises:
      UserError: the file is missing and cannot be fetched, or it is another file.
    """
    if given := os.environ.get(PATH_VARIABLE):
        path = pathlib.Path(given)
    else:
        path = _cache_folder() / FILE_NAME
        if not path.is_file():
            weights.fetch(URL, path, _SHA256)
    weights.verify(path, _SHA256)
    return from_tensors(pickles.read_torch(path))


def make() -> Extractor:
    """Makes the extractor: 2048 pooled features and 1008 logits without their bias.

    Raises:
      UserError: the weights are missing and cannot be fetched.
    """
    params = pretrained()
    note = f'Images are rounded to uint8 and resized to {_SIZE} x {_SIZE} as TensorFlow 1 does.'
    return Extractor('inception', params, apply, digest(params), note, _SIZE)


def _cache_folder() -> pathlib.Path:
    """Returns the folder in which PyTorch keeps downloaded weights.

    The folder belongs to PyTorch, so its place follows PyTorch's rules. An empty variable counts
    as unset, as the XDG specification says.
    """
    cache = pathlib.Path(os.environ.get('XDG_CACHE_HOME') or '~/.cache')
    home = os.environ.get('TORCH_HOME') or cache / 'torch'
    return pathlib.Path(home).expanduser() / 'hub' / 'checkpoints'


def _conv(x: jax.Array, layer: layers.Layer, *, stride=1, padding='SAME') -> jax.Array:
    return jax.nn.relu(layers.conv(x, layer, stride=stride, padding=padding))


def _chain(x: jax.Array, params: Params, block: str, stages) -> jax.Array:
    for stage in stages:
        if isinstance(stage, tuple):
            sides = [_conv(x, params[f'{block}.{side}']) for side in stage]
            x = jnp.concatenate(sides, axis=-1)
        elif stage in _POOLS:
            x = _POOLS[stage](x)
        elif stage.endswith('/2'):
            x = _conv(x, params[f'{block}.{stage.removesuffix("/2")}'], stride=2, padding=0)
        else:
            x = _conv(x, params[f'{block}.{stage}'])
    return x


def _conv_names() -> list[str]:
    names = [
        'Conv2d_1a_3x3',
        'Conv2d_2a_3x3',
        'Conv2d_2b_3x3',
        'Conv2d_3b_1x1',
        'Conv2d_4a_3x3',
    ]
    for block, branches in _BLOCKS.items():
        for stage in (stage for branch in branches for stage in branch if stage not in _POOLS):
            sides = stage if isinstance(stage, tuple) else (stage.removesuffix('/2'),)
            names.extend(f'{block}.{side}' for side in sides)
    return names
