"""LPIPS against PyTorch with the same weights, golden values, and its properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from imggen.errors import UserError
from imggen.features import vgg16
from imggen.images import from_uint8
from imggen.metrics import lpips as metric

lpips = jax.jit(metric.lpips)


@pytest.fixture(scope='module', params=['vgg16', 'alexnet'])
def network(request):
    return request.param


@pytest.fixture(scope='module')
def params(network):
    try:
        return metric.load(network)
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def pairs():
    """Two photographs, 64x80, and what they are compared with: a shift and each other."""
    cat = skimage.data.chelsea()[20:276:4, 60:380:4]
    face = skimage.data.astronaut()[0:256:4, 100:420:4]
    a = from_uint8(np.stack([cat, cat]))
    b = from_uint8(np.stack([np.roll(cat, 2, axis=1), face]))
    return a, b


@pytest.fixture(scope='module')
def found(params, pairs):
    return lpips(params, *pairs)


# Of the authors' package lpips 0.1.4 with the same weights: the shift, the other photograph.
GOLDEN = {'vgg16': [0.164583, 0.706516], 'alexnet': [0.054048, 0.474423]}


def test_values_on_photographs(network, found):
    np.testing.assert_allclose(found, GOLDEN[network], atol=1e-4)


def test_padding_is_not_a_part_of_the_image(params, pairs, found):
    padded = [
        jnp.pad(images, ((0, 0), (0, 13), (0, 31), (0, 0)), constant_values=0.7) for images in pairs
    ]
    sizes = jnp.array([pairs[0].shape[1:3]] * 2)
    np.testing.assert_allclose(lpips(params, *padded, sizes=sizes), found, atol=1e-5)


def pytorch_taps(torch, network, params, x):
    """The taps of either network in plain PyTorch: x [n, 3, height, width] in [-1, 1]."""
    functional = torch.nn.functional
    shift = torch.tensor([-0.030, -0.088, -0.188])[None, :, None, None]
    x = (x - shift) / torch.tensor([0.458, 0.448, 0.450])[None, :, None, None]

    def conv(x, name, **options):
        kernel = torch.tensor(params[name]['kernel']).permute(3, 2, 0, 1)
        return torch.relu(
            functional.conv2d(x, kernel, torch.tensor(params[name]['bias']), **options)
        )

    taps = []
    if network == 'alexnet':
        for name, stride, padding in (
            ('conv1', 4, 2),
            ('conv2', 1, 2),
            ('conv3', 1, 1),
            ('conv4', 1, 1),
            ('conv5', 1, 1),
        ):
            x = functional.max_pool2d(x, 3, 2) if name in ('conv2', 'conv3') else x
            x = conv(x, name, stride=stride, padding=padding)
            taps.append(x)
        return taps
    for block, count in enumerate((2, 2, 3, 3, 3), 1):
        x = functional.max_pool2d(x, 2) if block > 1 else x
        for index in range(1, count + 1):
            x = conv(x, f'block{block}_conv{index}', padding=1)
        taps.append(x)
    return taps


def test_values_agree_with_pytorch(network, params, pairs, found):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    images = [torch.from_numpy(np.asarray(x).transpose(0, 3, 1, 2).copy()) for x in pairs]
    taps = [pytorch_taps(torch, network, params[network], x) for x in images]
    expected = 0.0
    for a, b, head in zip(*taps, params['heads'].values(), strict=True):
        unit_a, unit_b = (x / (x.pow(2).sum(1, keepdim=True).sqrt() + 1e-10) for x in (a, b))
        weighted = (unit_a - unit_b).pow(2) * torch.tensor(head)[None, :, None, None]
        expected = expected + weighted.sum(1).mean((1, 2))
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


def test_distance_is_zero_to_itself_symmetric_and_grows_with_noise(params, pairs):
    a, b = pairs
    np.testing.assert_array_equal(lpips(params, a, a), [0.0, 0.0])
    np.testing.assert_allclose(lpips(params, a, b), lpips(params, b, a), rtol=1e-4)
    noise = jax.random.normal(jax.random.key(0), a[:1].shape)
    steps = [lpips(params, a, a + scale * noise)[0] for scale in (0.02, 0.1, 0.5)]
    assert 0 < steps[0] < steps[1] < steps[2]


def test_each_pair_is_scored_alone(params, pairs, found):
    a, b = pairs
    swapped = lpips(params, a[::-1], b[::-1])
    np.testing.assert_allclose(swapped, found[::-1], rtol=1e-4)
    half = lpips(params, a, jnp.stack([b[0], a[1]]))
    np.testing.assert_allclose(half, [found[0], 0.0], rtol=1e-4)


def test_unknown_network_is_refused():
    with pytest.raises(UserError, match="no network 'vgg'; choose vgg16 or alexnet"):
        metric.load('vgg')


def test_heads_are_not_negative(params):
    assert all((head >= 0).all() for head in params['heads'].values())


def test_gradient_is_finite_where_every_feature_is_zero():
    params = {'vgg16': vgg16.random(jax.random.key(0))}
    for name in vgg16.CONVS:
        params['vgg16'][name]['bias'] -= 100.0
    params['heads'] = {'block1_conv2': jnp.ones(64)}
    image = jnp.full((1, 8, 8, 3), 0.25)
    gradient = jax.jit(jax.grad(lambda x: metric.lpips(params, x, image).sum()))(image)
    np.testing.assert_array_equal(gradient, np.zeros_like(image))


def test_gray_is_compared_as_three_equal_channels(params, pairs):
    a, b = (x.mean(-1, keepdims=True) for x in pairs)
    three = lpips(params, jnp.repeat(a, 3, -1), jnp.repeat(b, 3, -1))
    np.testing.assert_allclose(lpips(params, a, b), three, rtol=1e-5)


def test_shapes_that_differ_and_images_too_small_are_refused(params, pairs):
    a, b = pairs
    with pytest.raises(ValueError, match='one shape'):
        lpips(params, a, b[:1])
    with pytest.raises(UserError, match=r'at least \d+ pixels a side, not 15x80'):
        lpips(params, a[:, :15], b[:, :15])
