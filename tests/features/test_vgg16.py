"""VGG16 against PyTorch, its weight files in every published layout, and its options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from imggen.errors import UserError
from imggen.features import layers, vgg16
from imggen.images import from_uint8
from tests.helpers.torch_file import state_dict, tensor, zip_file

TORCH_INDICES = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)


@pytest.fixture(scope='module')
def params():
    try:
        return vgg16.pretrained()
    except UserError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def cat():
    """A photograph of a cat, 64x80."""
    return from_uint8(skimage.data.chelsea()[20:276:4, 60:380:4][None])


@pytest.fixture(scope='module')
def small():
    """Random parameters, as a tree that can be written to files."""
    return jax.device_get(vgg16.random(jax.random.key(0)))


def test_first_kernel_is_the_published_one(params):
    published = [[-0.5537, 0.1427, 0.529], [-0.5831, 0.3566, 0.7657], [-0.6902, -0.048, 0.4841]]
    np.testing.assert_allclose(params['block1_conv1']['kernel'][:, :, 0, 0], published, atol=5e-5)
    convs = [params[name] for name in vgg16.CONVS]
    count = sum(conv['kernel'].size + conv['bias'].size for conv in convs)
    assert count == 14_714_688  # The convolutions of configuration D.


def test_every_layer_agrees_with_pytorch(params, cat):
    torch = pytest.importorskip('torch', reason='PyTorch is not installed')
    found = jax.jit(lambda p, x: vgg16.activations(p, x, vgg16.LAYERS))(params, cat)
    x = torch.from_numpy(np.asarray(cat).transpose(0, 3, 1, 2).copy()) * 0.5 + 0.5
    x -= torch.tensor([0.485, 0.456, 0.406])[None, :, None, None]
    x /= torch.tensor([0.229, 0.224, 0.225])[None, :, None, None]
    for name in vgg16.LAYERS:
        if name.endswith('pool'):
            x = torch.nn.functional.max_pool2d(x, 2)
        else:
            kernel = torch.from_numpy(params[name]['kernel'].transpose(3, 2, 0, 1).copy())
            bias = torch.tensor(params[name]['bias'])
            x = torch.relu(torch.nn.functional.conv2d(x, kernel, bias, padding=1))
        expected = x.numpy().transpose(0, 2, 3, 1)
        error = np.abs(found[name] - expected).max() / np.abs(expected).max()
        assert error < 1e-4, name


# Mean activations on the photograph of torchvision's module with the same weights.
GOLDEN = {
    'block1_conv1': 0.309652,
    'block2_conv2': 1.096740,
    'block3_conv3': 1.710156,
    'block4_conv3': 0.890789,
    'block5_conv3': 0.419582,
}


def test_mean_activations_on_a_photograph(params, cat):
    found = jax.jit(lambda p, x: vgg16.activations(p, x, GOLDEN))(params, cat)
    for name, expected in GOLDEN.items():
        np.testing.assert_allclose(found[name].mean(), expected, rtol=1e-4, err_msg=name)


def test_no_layer_beyond_the_deepest_is_computed(small):
    images = jnp.zeros((1, 17, 34, 3))
    early = {name: small[name] for name in ('input', 'block1_conv1', 'block1_conv2')}
    found = vgg16.activations(early, images, ('block1_pool', 'block1_conv1'))
    shapes = {name: value.shape for name, value in found.items()}
    assert shapes == {'block1_conv1': (1, 17, 34, 64), 'block1_pool': (1, 8, 17, 64)}
    assert vgg16.activations({'input': small['input']}, images, ()) == {}


def test_average_pooling_takes_means(small):
    images = jax.random.uniform(jax.random.key(1), (2, 8, 8, 3), minval=-1.0)
    names = ('block1_conv2', 'block1_pool')
    found = vgg16.activations(small, images, names, pooling='average')
    expected = found['block1_conv2'].reshape(2, 4, 2, 4, 2, 64).mean((2, 4))
    np.testing.assert_allclose(found['block1_pool'], expected, rtol=1e-5)
    most = vgg16.activations(small, images, names)
    expected = most['block1_conv2'].reshape(2, 4, 2, 4, 2, 64).max((2, 4))
    np.testing.assert_array_equal(most['block1_pool'], expected)


def test_gray_is_the_same_as_three_equal_channels(small):
    gray = jax.random.uniform(jax.random.key(2), (1, 16, 16, 1), minval=-1.0)
    name = 'block2_conv1'
    one = vgg16.activations(small, gray, (name,))[name]
    three = vgg16.activations(small, jnp.repeat(gray, 3, -1), (name,))[name]
    np.testing.assert_array_equal(one, three)
    with pytest.raises(ValueError, match='1, 3 or 4 channels, not 2'):
        vgg16.activations(small, jnp.zeros((1, 16, 16, 2)), (name,))


def test_opacity_is_laid_over_white():
    color = jax.random.uniform(jax.random.key(2), (1, 2, 3, 3), minval=-1.0)
    for opacity, expected in ((1.0, color), (-1.0, jnp.ones_like(color)), (0.0, (color + 1) / 2)):
        both = jnp.concatenate([color, jnp.full((1, 2, 3, 1), opacity)], axis=-1)
        np.testing.assert_allclose(layers.rgb(both), expected, atol=1e-6)


def test_gradient_of_the_image_matches_finite_differences(params):
    image = jax.random.uniform(jax.random.key(3), (1, 8, 8, 3), minval=-0.5, maxval=0.5)
    direction = jax.random.normal(jax.random.key(4), image.shape)

    @jax.jit
    def loss(image):
        found = vgg16.activations(params, image, ('block2_conv2',), pooling='average')
        return (found['block2_conv2'] ** 2).mean()

    step = 1e-3
    numeric = (loss(image + step * direction) - loss(image - step * direction)) / (2 * step)
    exact = (jax.grad(loss)(image) * direction).sum()
    np.testing.assert_allclose(exact, numeric, rtol=2e-3)


def test_too_small_images_and_unknown_layers_are_refused(small):
    with pytest.raises(UserError, match='at least 16 pixels a side, not 15x40'):
        vgg16.activations(small, jnp.zeros((1, 15, 40, 3)), ('block5_conv1',))
    with pytest.raises(ValueError, match="no layer 'relu1_1'"):
        vgg16.activations(small, jnp.zeros((1, 16, 16, 3)), ('relu1_1',))


def write_torch(path, params, *, is_bgr):
    tensors, data = {}, []
    for index, name in zip(TORCH_INDICES, vgg16.CONVS, strict=True):
        kernel, bias = params[name]['kernel'], params[name]['bias']
        if is_bgr and index == 0:
            kernel = kernel[:, :, ::-1]
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        strides = tuple(stride // 4 for stride in kernel.strides)
        tensors[f'features.{index}.weight'] = tensor(str(len(data)), kernel.shape, strides)
        tensors[f'features.{index}.bias'] = tensor(str(len(data) + 1), bias.shape, (1,))
        data += [kernel.tobytes(), bias.tobytes()]
    return zip_file(path, state_dict(**tensors), *data)


def test_each_family_of_weights_brings_its_own_input(small, tmp_path):
    """The same filters stored for RGB and for BGR see the same image, each in its own units."""
    name = 'block1_conv1'
    image = from_uint8(np.array([[[[200, 100, 50]] * 3] * 3], np.uint8))
    kernel, bias = small[name]['kernel'], small[name]['bias']
    path = tmp_path / 'vgg.pth'
    write_torch(path, small, is_bgr=False)
    found = vgg16.activations(vgg16.read(path, preprocessing='torchvision'), image, (name,))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixel = (np.array([200, 100, 50]) / 255 - mean) / std
    expected = np.maximum(np.einsum('hwio,i->o', kernel, pixel) + bias, 0)
    np.testing.assert_allclose(found[name][0, 1, 1], expected, rtol=1e-4, atol=1e-4)

    write_torch(path, small, is_bgr=True)
    found = vgg16.activations(vgg16.read(path, preprocessing='caffe'), image, (name,))
    bgr = np.array([50, 100, 200]) - np.array([103.939, 116.779, 123.68])
    expected = np.maximum(np.einsum('hwio,i->o', kernel[:, :, ::-1], bgr) + bias, 0)
    np.testing.assert_allclose(found[name][0, 1, 1], expected, rtol=1e-4, atol=1e-2)


def test_keras_file_has_caffes_input(small, tmp_path):
    h5py = pytest.importorskip('h5py', reason='h5py is not installed')
    path = tmp_path / 'vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5'
    with h5py.File(path, 'w') as file:
        for name in vgg16.CONVS:
            kernel = small[name]['kernel']
            file[f'{name}/{name}_W_1:0'] = kernel[:, :, ::-1] if kernel.shape[2] == 3 else kernel
            file[f'{name}/{name}_b_1:0'] = small[name]['bias']
    found = vgg16.read(path)
    np.testing.assert_allclose(found['input']['std'], 2 / 255, rtol=1e-6)
    np.testing.assert_array_equal(found['block1_conv1']['kernel'], small['block1_conv1']['kernel'])
    with pytest.raises(UserError, match="has caffe weights; remove preprocessing 'torchvision'"):
        vgg16.read(path, preprocessing='torchvision')


def test_unknown_file_must_say_its_input_and_a_foreign_one_is_refused(small, tmp_path):
    path = write_torch(tmp_path / 'vgg.pth', small, is_bgr=False)
    with pytest.raises(UserError, match=r'vgg\.pth is not one of the published files; say which'):
        vgg16.read(path)
    swapped = {**small, 'block2_conv1': small['block1_conv2']}
    write_torch(path, swapped, is_bgr=False)
    with pytest.raises(UserError, match=r'does not hold VGG16 weights \(block2_conv1 has shape'):
        vgg16.read(path, preprocessing='torchvision')
    zip_file(path, state_dict(x=tensor('0', (1,), (1,))), b'\0' * 4)
    with pytest.raises(UserError, match='does not hold VGG16 weights'):
        vgg16.read(path, preprocessing='caffe')
    with pytest.raises(UserError, match=r'gone\.pth'):
        vgg16.read(tmp_path / 'gone.pth')


def test_random_weights_keep_the_variance_and_follow_the_key(small):
    again = vgg16.random(jax.random.key(0))
    other = vgg16.random(jax.random.key(6))
    jax.tree.map(np.testing.assert_array_equal, small, again)
    kernel = small['block3_conv2']['kernel']
    assert not np.array_equal(kernel, other['block3_conv2']['kernel'])
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (9 * 256)), rtol=0.01)


def test_extractor_is_the_mean_of_the_last_block_at_any_size(params, cat):
    extractor = vgg16.make()
    assert extractor.name == 'vgg16'
    found = jax.jit(extractor.apply)(extractor.params, cat)['features']

    @jax.jit
    def expected(params):
        resized = layers.resize(cat, 128, 128)
        last = vgg16.activations(params, resized, ('block5_conv3',))['block5_conv3']
        return last.mean((1, 2))

    assert found.shape == (1, 512)
    np.testing.assert_allclose(found, expected(params), rtol=1e-3, atol=1e-5)
