"""The networks whose features style transfer compares.

The published losses use VGG16's activations for pixels in [0, 255]. Weights from any file are
brought to these units by one factor: the network is homogeneous of degree one in its first
kernel and all its biases together.
"""

import functools
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from imggen.errors import UserError
from imggen.features import alexnet, lite0, vgg16

Params = Mapping[str, Mapping[str, Any]]
_PIXEL = 2.0 / 255.0  # One level of [0, 255] as a difference in [-1, 1].


class Network(NamedTuple):
    """A frozen network.

    Attributes:
      load: (file or '', preprocessing of a .pth file or None) -> params.
      activations: (params, images, names, *, pooling, padding) -> {name: [n, h, w, c]}.
      layers: names of all layers that can be compared.
      content_layer: the layer at which content is compared by default.
      style_layers: the layers at which style is compared by default.
      reach: names -> (total stride, pixels that an activation sees on each side); None if the
        network does not support tiles.
    """

    load: Callable[[str, str | None], Params]
    activations: Callable[..., dict[str, jax.Array]]
    layers: tuple[str, ...]
    content_layer: str
    style_layers: tuple[str, ...]
    reach: Callable[[Collection[str]], tuple[int, int]] | None


def in_pixel_units(params: Params) -> Params:
    """Scales VGG16's parameters so that its activations are those for pixels in [0, 255]."""
    factor = np.float32(np.mean(params['input']['std']) / _PIXEL)
    scaled = {'input': params['input']}
    for name in vgg16.CONVS:
        layer = dict(params[name])
        layer['bias'] = layer['bias'] * factor
        scaled[name] = layer
    first = scaled[vgg16.CONVS[0]]
    first['kernel'] = first['kernel'] * factor
    return scaled


def _load_vgg16(file: str, preprocessing: str | None) -> Params:
    if file:
        return in_pixel_units(vgg16.read(file, preprocessing=preprocessing))
    return in_pixel_units(vgg16.pretrained())


def _load_random_vgg16(file: str, preprocessing: str | None) -> Params:
    _no_file(file or preprocessing, 'vgg16_random')
    return _random_vgg16()


@functools.cache  # A CPU takes seconds to draw them, and a run that is loaded asks for them again.
def _random_vgg16() -> Params:
    return in_pixel_units(vgg16.random(jax.random.key(0)))


def _load_lite0(file: str, preprocessing: str | None) -> Params:
    _no_file(file or preprocessing, 'lite0')
    return lite0.pretrained()


def _load_alexnet(file: str, preprocessing: str | None) -> Params:
    _no_file(file or preprocessing, 'alexnet')
    return alexnet.pretrained()


def _no_file(given, name: str) -> None:
    if given:
        raise UserError(
            f'config.method.network={name!r} does not read a file; remove '
            'config.method.weights and config.method.preprocessing.'
        )


def _lite0_activations(params, images, names, *, pooling, padding):
    del pooling, padding  # It has no pools, and it was trained with its own padding.
    return lite0.activations(params, images, names)


def _alexnet_activations(params, images, names, *, pooling, padding):
    del pooling, padding  # Its pools and paddings are those it was trained with.
    return alexnet.activations(params, images, names)


_VGG16 = Network(
    load=_load_vgg16,
    activations=vgg16.activations,
    layers=vgg16.LAYERS,
    content_layer='block4_conv2',
    style_layers=('block1_conv1', 'block2_conv1', 'block3_conv1', 'block4_conv1'),
    reach=vgg16.reach,
)

NETWORKS = {
    'vgg16': _VGG16,
    'vgg16_random': _VGG16._replace(load=_load_random_vgg16),
    'lite0': Network(
        load=_load_lite0,
        activations=_lite0_activations,
        layers=lite0.LAYERS,
        content_layer='block5.expand',
        style_layers=('block0', 'block2', 'block4', 'block7'),
        reach=None,
    ),
    'alexnet': Network(
        load=_load_alexnet,
        activations=_alexnet_activations,
        layers=tuple(alexnet.CONVS),
        content_layer='conv4',
        style_layers=('conv1', 'conv2', 'conv3', 'conv4'),
        reach=None,
    ),
}
