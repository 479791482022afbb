"""EfficientNet-Lite0: sane classes, agreement with PyTorch, and its operations one by one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from imggen.errors import UserError
from imggen.features import layers, lite0, pickles, weights
from imggen.images import from_uint8


@pytest.fixture(scope='module')
def extractor():
    try:
        return lite0.make()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def cat():
    """A photograph of a cat, 300x451."""
    return from_uint8(skimage.data.chelsea()[None])


@pytest.fixture(scope='module')
def found(extractor, cat):
    return jax.jit(extractor.apply)(extractor.params, cat)


def test_a_cat_is_a_cat(found):
    assert found['features'].shape == (1, 1280)
    assert found['logits'].shape == (1, 1000)
    probability = jax.nn.softmax(found['logits'][0])
    assert jnp.argmax(probability) == 285  # Egyptian cat.
    assert probability[281:286].sum() > 0.9  # Any domestic cat.


# First logits of the cat; PyTorch gives the same (below).
GOLDEN_LOGITS = [-1.07663, 0.79303, -1.77067, -0.60890, -0.70431]


def test_logits_on_a_photograph(found):
    np.testing.assert_allclose(found['logits'][0, :5], GOLDEN_LOGITS, atol=2e-4)


def test_number_of_parameters_is_the_published_one():
    try:
        path = weights.find(*lite0.VARIANTS['lite0'][:2])
    except UserError as error:
        pytest.skip(str(error))
    tensors = pickles.read_torch(path)
    learned = [t.size for name, t in tensors.items() if name.endswith(('weight', 'bias'))]
    assert sum(learned) == 4_652_008


def test_logits_agree_with_pytorch(extractor, cat, found):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    functional = torch.nn.functional
    tensors = torch.load(weights.find(*lite0.VARIANTS['lite0'][:2]), weights_only=True)

    def conv(x, name, norm, *, stride=1, groups=1):
        kernel = tensors[f'{name}.weight']
        pads = []
        for size, length in ((kernel.shape[3], x.shape[3]), (kernel.shape[2], x.shape[2])):
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
            pads += [total // 2, total - total // 2]
        x = functional.conv2d(functional.pad(x, pads), kernel, stride=stride, groups=groups)
        keys = ('running_mean', 'running_var', 'weight', 'bias')
        return functional.batch_norm(x, *(tensors[f'{norm}.{key}'] for key in keys), eps=1e-3)

    strides = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
    x = np.asarray(layers.resize(cat, 224, 224)).transpose(0, 3, 1, 2)
    x = (torch.from_numpy(x.copy()) * 127.5 + 127.5 - 127) / 128
    x = functional.relu6(conv(x, '_conv_stem', '_bn0', stride=2))
    for index, stride in enumerate(strides):
        block, inputs = f'_blocks.{index}.', x
        if index:
            x = functional.relu6(conv(x, f'{block}_expand_conv', f'{block}_bn0'))
        x = conv(x, f'{block}_depthwise_conv', f'{block}_bn1', stride=stride, groups=x.shape[1])
        x = conv(functional.relu6(x), f'{block}_project_conv', f'{block}_bn2')
        x = x + inputs if x.shape == inputs.shape else x
    features = functional.relu6(conv(x, '_conv_head', '_bn1')).mean((2, 3))
    logits = functional.linear(features, tensors['_fc.weight'], tensors['_fc.bias'])
    np.testing.assert_allclose(found['features'], features, atol=1e-4)
    np.testing.assert_allclose(found['logits'], logits, atol=2e-4)


def test_activations_have_the_published_strides_and_widths(extractor):
    names = ('stem', 'block1', 'block2.expand', 'block4', 'block7', 'block10', 'block15', 'head')
    shapes = jax.eval_shape(
        lambda params, images: lite0.activations(params, images, names),
        extractor.params,
        jnp.zeros((2, 64, 96, 1)),
    )
    assert {name: array.shape for name, array in shapes.items()} == {
        'stem': (2, 32, 48, 32),
        'block1': (2, 16, 24, 24),
        'block2.expand': (2, 16, 24, 144),
        'block4': (2, 8, 12, 40),
        'block7': (2, 4, 6, 80),
        'block10': (2, 4, 6, 112),
        'block15': (2, 2, 3, 320),
        'head': (2, 2, 3, 1280),
    }


@pytest.mark.parametrize(('size', 'stride'), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize('shape', [(8, 8), (7, 10)])
def test_depthwise_convolution_is_the_grouped_one(size, stride, shape):
    keys = jax.random.split(jax.random.key(0), 3)
    x = jax.random.normal(keys[0], (2, *shape, 6))
    layer = {
        'kernel': jax.random.normal(keys[1], (size, size, 1, 6)),
        'bias': jax.random.normal(keys[2], (6,)),
    }
    expected = jax.lax.conv_general_dilated(
        x,
        layer['kernel'],
        (stride, stride),
        'SAME',
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=6,
    )
    found = jax.jit(layers.depthwise_conv, static_argnames='stride')(x, layer, stride=stride)
    np.testing.assert_allclose(found, expected + layer['bias'][None, None, None], atol=1e-5)


@pytest.mark.parametrize(
    ('size', 'stride', 'padding'), [(2, 2, 'VALID'), (3, 2, 'VALID'), (3, 1, 'SAME')]
)
def test_max_pool_is_the_windowed_maximum(size, stride, padding):
    x = jax.random.normal(jax.random.key(1), (2, 9, 12, 3)) - 3.0
    window, strides = (1, size, size, 1), (1, stride, stride, 1)
    expected = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, padding)
    found = layers.max_pool(x, size, stride, padding=padding)
    np.testing.assert_array_equal(found, expected)


def test_average_pool_does_not_count_padding():
    x = jnp.ones((1, 5, 6, 2))
    np.testing.assert_allclose(layers.avg_pool(x, 3, 1, padding='SAME'), x, rtol=1e-6)
    ramp = jnp.arange(4.0)[None, None, :, None] * jnp.ones((1, 3, 1, 1))
    found = layers.avg_pool(ramp, 3, 1, padding='SAME')
    np.testing.assert_allclose(found[0, 0, :, 0], [0.5, 1.0, 2.0, 2.5], rtol=1e-6)
