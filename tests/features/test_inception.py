"""Inception-v3 of the literature: agreement with torch-fidelity, its resize, its weight file."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.features import inception
from imggen.images import from_uint8

# The network's widths, as {name: (out, in, kernel height, kernel width)}: built from the
# paper's tables so that the tests need no weight file.
A, B, C, D, E = 'ABCDE'


def shapes():
    found = {
        'Conv2d_1a_3x3': (32, 3, 3, 3),
        'Conv2d_2a_3x3': (32, 32, 3, 3),
        'Conv2d_2b_3x3': (64, 32, 3, 3),
        'Conv2d_3b_1x1': (80, 64, 1, 1),
        'Conv2d_4a_3x3': (192, 80, 3, 3),
    }

    def block(name, width, **convs):
        found.update(
            {
                f'{name}.{conv}': (out, before or width, *size)
                for conv, (out, before, *size) in convs.items()
            }
        )

    for name, width, pool in (('5b', 192, 32), ('5c', 256, 64), ('5d', 288, 64)):
        block(
            f'Mixed_{name}',
            width,
            branch1x1=(64, None, 1, 1),
            branch5x5_1=(48, None, 1, 1),
            branch5x5_2=(64, 48, 5, 5),
            branch3x3dbl_1=(64, None, 1, 1),
            branch3x3dbl_2=(96, 64, 3, 3),
            branch3x3dbl_3=(96, 96, 3, 3),
            branch_pool=(pool, None, 1, 1),
        )
    block(
        'Mixed_6a',
        288,
        branch3x3=(384, None, 3, 3),
        branch3x3dbl_1=(64, None, 1, 1),
        branch3x3dbl_2=(96, 64, 3, 3),
        branch3x3dbl_3=(96, 96, 3, 3),
    )
    for name, c in (('6b', 128), ('6c', 160), ('6d', 160), ('6e', 192)):
        block(
            f'Mixed_{name}',
            768,
            branch1x1=(192, None, 1, 1),
            branch7x7_1=(c, None, 1, 1),
            branch7x7_2=(c, c, 1, 7),
            branch7x7_3=(192, c, 7, 1),
            branch7x7dbl_1=(c, None, 1, 1),
            branch7x7dbl_2=(c, c, 7, 1),
            branch7x7dbl_3=(c, c, 1, 7),
            branch7x7dbl_4=(c, c, 7, 1),
            branch7x7dbl_5=(192, c, 1, 7),
            branch_pool=(192, None, 1, 1),
        )
    block(
        'Mixed_7a',
        768,
        branch3x3_1=(192, None, 1, 1),
        branch3x3_2=(320, 192, 3, 3),
        branch7x7x3_1=(192, None, 1, 1),
        branch7x7x3_2=(192, 192, 1, 7),
        branch7x7x3_3=(192, 192, 7, 1),
        branch7x7x3_4=(192, 192, 3, 3),
    )
    for name, width in (('7b', 1280), ('7c', 2048)):
        block(
            f'Mixed_{name}',
            width,
            branch1x1=(320, None, 1, 1),
            branch3x3_1=(384, None, 1, 1),
            branch3x3_2a=(384, 384, 1, 3),
            branch3x3_2b=(384, 384, 3, 1),
            branch3x3dbl_1=(448, None, 1, 1),
            branch3x3dbl_2=(384, 448, 3, 3),
            branch3x3dbl_3a=(384, 384, 1, 3),
            branch3x3dbl_3b=(384, 384, 3, 1),
            branch_pool=(192, None, 1, 1),
        )
    return found


@pytest.fixture(scope='module')
def tensors():
    """A state dict of random values that keep activations near 1."""
    rng = np.random.default_rng(0)
    found = {}
    for name, shape in shapes().items():
        scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        found[f'{name}.conv.weight'] = rng.standard_normal(shape, np.float32) * scale
        found[f'{name}.bn.weight'] = rng.uniform(0.8, 1.2, shape[0]).astype(np.float32)
        found[f'{name}.bn.bias'] = rng.uniform(-0.1, 0.1, shape[0]).astype(np.float32)
        found[f'{name}.bn.running_mean'] = rng.uniform(-0.1, 0.1, shape[0]).astype(np.float32)
        found[f'{name}.bn.running_var'] = rng.uniform(0.8, 1.2, shape[0]).astype(np.float32)
    found['fc.weight'] = rng.standard_normal((1008, 2048), np.float32) / np.float32(45)
    found['fc.bias'] = rng.standard_normal(1008, np.float32)
    return found


@pytest.fixture(scope='module')
def images():
    """Two images with every level in them, uint8 [2, 40, 52, 3]."""
    return np.random.default_rng(1).integers(0, 256, (2, 40, 52, 3), np.uint8)


@pytest.fixture(scope='module')
def found(tensors, images):
    return jax.jit(inception.apply)(inception.from_tensors(tensors), from_uint8(images))


def test_size_is_that_of_the_published_network(tensors, found):
    assert (
        sum(tensor.size for name, tensor in tensors.items() if 'running' not in name) == 23_850_960
    )
    assert found['features'].shape == (2, 2048)
    assert found['logits'].shape == (2, 1008)


# Of torch-fidelity 0.4.0 with the same random tensors and images: the first four
# features and logits of the first image, and the means over all.
GOLDEN_FEATURES = [0.520177, 0.540516, 0.235141, 0.202398]
GOLDEN_LOGITS = [0.480610, 0.756302, 0.227860, -0.302850]
GOLDEN_MEANS = (0.660868, 0.907747)


def test_random_network_gives_what_torch_fidelity_gave(found):
    np.testing.assert_allclose(found['features'][0, :4], GOLDEN_FEATURES, rtol=1e-3)
    np.testing.assert_allclose(found['logits'][0, :4], GOLDEN_LOGITS, rtol=1e-3)
    means = found['features'].mean(), np.abs(found['logits']).mean()
    np.testing.assert_allclose(means, GOLDEN_MEANS, rtol=1e-4)


def test_random_network_agrees_with_torch_fidelity(tensors, images, found, tmp_path):
    try:
        import torch
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except (ImportError, RuntimeError) as error:  # RuntimeError: builds that do not match.
        pytest.skip(f'torch-fidelity cannot be imported: {error}')
    path = tmp_path / 'inception.pth'
    torch.save({name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, path)
    names = ['2048', 'logits_unbiased']
    # Files saved before batch normalization counted its batches have no such entries.
    state = torch.load(path) | {
        f'{name}.bn.num_batches_tracked': torch.tensor(0) for name in shapes()
    }
    torch.save(state, path)
    network = FeatureExtractorInceptionV3('inception', names, str(path))
    with torch.no_grad():
        expected = network(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    for name, theirs in zip(('features', 'logits'), expected, strict=True):
        error = np.abs(found[name] - theirs.numpy()).max() / np.abs(theirs.numpy()).max()
        assert error < 1e-4, name


def test_resize_samples_where_tensorflow_1_does():
    row = np.float32([0, 10, 40])
    image = jnp.asarray(np.broadcast_to(row[None, None, :, None], (1, 5, 3, 1)))
    found = inception.resize(image)
    assert found.shape == (1, 299, 299, 1)
    # Output i samples input i * 3 / 299; beyond the last pixel's center it repeats.
    positions = np.minimum(np.arange(299) * 3 / 299, 2)
    expected = np.interp(positions, [0, 1, 2], row)
    np.testing.assert_allclose(found[0, 0, :, 0], expected, atol=1e-4)
    np.testing.assert_array_equal(found[0, 0], found[0, 298])


def test_resize_agrees_with_torch_fidelity(images):
    try:
        import torch
        from torch_fidelity.interpolate_compat_tensorflow import (
            interpolate_bilinear_2d_like_tensorflow1x as interpolate,
        )
    except (ImportError, RuntimeError) as error:
        pytest.skip(f'torch-fidelity cannot be imported: {error}')
    channels_first = torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32))
    expected = interpolate(channels_first, size=(299, 299), align_corners=False)
    found = inception.resize(jnp.asarray(images, jnp.float32))
    np.testing.assert_allclose(found, expected.numpy().transpose(0, 2, 3, 1), atol=1e-3)


def test_images_are_seen_as_uint8(tensors, images, found):
    params = inception.from_tensors(tensors)
    nudged = from_uint8(images) + 0.4 / 127.5
    again = jax.jit(inception.apply)(params, nudged)
    np.testing.assert_allclose(again['features'], found['features'], rtol=1e-5)


def test_another_file_is_refused_and_named(tmp_path, monkeypatch):
    path = tmp_path / inception.FILE_NAME
    path.write_bytes(b'not the weights')
    monkeypatch.setenv(inception.PATH_VARIABLE, str(path))
    with pytest.raises(UserError, match=r'weights-inception-2015-12-05-6726825d\.pth is not the'):
        inception.make()
    monkeypatch.setenv(inception.PATH_VARIABLE, str(tmp_path / 'gone.pth'))
    with pytest.raises(UserError, match=r'gone\.pth does not exist'):
        inception.make()


@pytest.mark.parametrize(
    'variables, folder',
    [
        ({'TORCH_HOME': 'given'}, 'given'),
        ({'XDG_CACHE_HOME': 'cache'}, 'cache/torch'),
        ({'XDG_CACHE_HOME': ''}, '.cache/torch'),
        ({}, '.cache/torch'),
    ],
)
def test_the_file_is_found_where_pytorch_keeps_downloads(tmp_path, monkeypatch, variables, folder):
    for name in (inception.PATH_VARIABLE, 'TORCH_HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value and str(tmp_path / value))
    path = tmp_path / folder / 'hub' / 'checkpoints' / inception.FILE_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b'not the weights')
    with pytest.raises(UserError, match=f'{inception.FILE_NAME} is not the published file'):
        inception.make()
