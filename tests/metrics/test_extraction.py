"""Extraction: any chunks, one compilation, several devices, a cache that is never wrong."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.devices import make_mesh
from imggen.errors import UserError
from imggen.features.extractor import Extractor, digest
from imggen.images import to_uint8
from imggen.metrics.extraction import cached_features, extract, extract_moments

IMAGES = np.random.default_rng(0).integers(0, 256, (53, 6, 5, 3), dtype=np.uint8)


class Traced:
    """An extractor that counts how often it is traced."""

    def __init__(self, *, classes=4, seed=0):
        key = jax.random.key(seed)
        params = {'kernel': jax.random.normal(key, (90, 8)), 'head': jnp.ones((8, max(classes, 1)))}
        self.count = 0

        def apply(params, images):
            self.count += 1
            features = jnp.tanh(images.reshape(len(images), -1) @ params['kernel'])
            if not classes:
                return {'features': features}
            return {'features': features, 'logits': features @ params['head']}

        self.extractor = Extractor('traced', params, apply, digest(params))


def cached(extractor, images):
    return cached_features(extractor, lambda: [images])


def expected_of(extractor, images):
    scaled = images.astype(np.float32) / 127.5 - 1
    return extractor.apply(extractor.params, jnp.asarray(scaled))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of cached features."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    return tmp_path / 'imggen' / 'features'


@pytest.mark.parametrize('chunks', [[53], [1] * 53, [20, 0, 30, 3], [16, 16, 16, 5]])
def test_any_chunks_give_the_same_features_with_one_compilation(chunks):
    traced = Traced()
    parts = np.split(IMAGES, np.cumsum(chunks)[:-1])
    found = extract(traced.extractor, iter(parts), batch_size=16)
    assert traced.count == 1
    expected = expected_of(traced.extractor, IMAGES)
    np.testing.assert_allclose(found.features, expected['features'], atol=1e-5)
    np.testing.assert_allclose(found.logits, expected['logits'], atol=1e-5)
    assert found.features.dtype == np.float32
    assert found.extractor == f'traced-{traced.extractor.digest}'


def test_an_array_and_the_png_made_of_it_have_the_same_features():
    traced = Traced()
    generated = np.random.default_rng(1).uniform(-1.2, 1.2, (20, 6, 5, 3)).astype(np.float32)
    of_floats = extract(traced.extractor, generated)
    of_png = extract(traced.extractor, to_uint8(generated))
    np.testing.assert_array_equal(of_floats.features, of_png.features)
    mixed = extract(traced.extractor, [generated[:7], to_uint8(generated[7:])])
    np.testing.assert_array_equal(mixed.features, of_png.features)


def test_devices_share_a_batch():
    traced = Traced()
    alone = extract(traced.extractor, IMAGES, batch_size=16)
    shared = extract(traced.extractor, IMAGES, batch_size=14, mesh=make_mesh())
    np.testing.assert_allclose(shared.features, alone.features, atol=1e-5)
    np.testing.assert_allclose(shared.logits, alone.logits, atol=1e-5)


def test_moments_are_those_of_the_features():
    traced = Traced(classes=0)
    found = extract(traced.extractor, IMAGES)
    assert found.logits is None
    moments = extract_moments(traced.extractor, iter([IMAGES[:20], IMAGES[20:]]), batch_size=8)
    assert moments.count == 53
    features = found.features.astype(np.float64)
    np.testing.assert_allclose(moments.mean, features.mean(0), atol=1e-6)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), atol=1e-6)


@pytest.mark.parametrize('classes', [0, 4])
def test_reference_features_are_computed_once(cache, classes):
    traced = Traced(classes=classes)
    first = cached(traced.extractor, IMAGES)
    (path,) = cache.iterdir()
    # The same weights behind a function that fails: only the cache can answer.
    broken = traced.extractor._replace(apply=lambda params, images: 1 / 0)
    again = cached(broken, IMAGES)
    np.testing.assert_array_equal(again.features, first.features)
    np.testing.assert_array_equal(again.thumbnails, first.thumbnails)
    assert again.extractor == first.extractor
    assert (again.logits is None) == (classes == 0)
    assert list(cache.iterdir()) == [path]


def test_thumbnails_are_the_images_made_small():
    ramp = np.broadcast_to(np.linspace(0, 240, 32)[None, None, :, None], (3, 40, 32, 1))
    images = np.round(ramp).astype(np.uint8)
    extractor = Traced(classes=0).extractor._replace(
        apply=lambda _, x: {'features': x[:, :8, 0, 0]}
    )
    thumbnails = extract(extractor, images).thumbnails
    assert thumbnails.shape == (3, 8, 8, 1) and thumbnails.dtype == np.uint8
    columns = ramp[0, 0, :, 0].reshape(8, 4).mean(1)
    # Colors of transparent pixels do not count.
    clear = np.zeros((2, 16, 16, 4), np.uint8)
    clear[1, ..., :3] = 200
    hidden, shown = extract(extractor, clear).thumbnails
    np.testing.assert_array_equal(hidden, shown)
    # The edges see fewer pixels.
    np.testing.assert_allclose(thumbnails[1, 4, 1:-1, 0], columns[1:-1], atol=1)


def test_what_is_computed_shows_progress_and_what_is_cached_does_not(cache, capsys):
    extractor = Traced().extractor
    for expected in (['reference image 53/53, 0:00 left'], []):
        cached_features(extractor, lambda: [IMAGES], shown='reference')
        assert capsys.readouterr().err.splitlines() == expected


@pytest.mark.parametrize(('size', 'batch'), [(None, 256), (28, 256), (128, 32), (299, 32)])
def test_batches_of_a_large_network_are_small_on_a_cpu(size, batch):
    seen = []
    extractor = Traced(classes=0).extractor._replace(size=size)
    many = np.zeros((300, *IMAGES.shape[1:]), np.uint8)
    extract(extractor, many, advance=seen.append)
    assert seen[0] == batch and seen[-1] == 300


def test_a_pixel_or_a_weight_makes_another_entry(cache):
    traced = Traced()
    first = cached(traced.extractor, IMAGES)
    changed = IMAGES.copy()
    changed[50, 0, 0, 0] ^= 1
    other = cached(traced.extractor, changed)
    assert (other.features[50] != first.features[50]).any()
    cached(Traced(seed=1).extractor, IMAGES)
    cached(traced.extractor, IMAGES.reshape(53, 5, 6, 3))
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize('damage', ['truncated', 'flipped', 'empty', 'not an archive', 'pickle'])
def test_a_damaged_entry_is_computed_again(cache, damage):
    traced = Traced()
    first = cached(traced.extractor, IMAGES)
    (path,) = cache.iterdir()
    content = bytearray(path.read_bytes())
    if damage == 'truncated':
        content = content[: len(content) // 2]
    elif damage == 'flipped':
        content[content.find(np.float32(first.features[3, 3]).tobytes())] ^= 0xFF
    elif damage == 'pickle':
        np.savez(path, features=np.array([{}], object), logits=np.zeros(1), checksum='')
        content = path.read_bytes()
    else:
        content = b'' if damage == 'empty' else b'features'
    path.write_bytes(bytes(content))
    again = cached(traced.extractor, IMAGES)
    np.testing.assert_array_equal(again.features, first.features)
    broken = traced.extractor._replace(apply=lambda params, images: 1 / 0)
    cached(broken, IMAGES)  # The entry is whole again.


@pytest.mark.parametrize('value', ['', None])
def test_an_empty_variable_means_the_default_folder(tmp_path, monkeypatch, value):
    monkeypatch.setenv('HOME', str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if value is None:
        monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
    else:
        monkeypatch.setenv('XDG_CACHE_HOME', value)
    cached(Traced().extractor, IMAGES)
    assert len(list((tmp_path / '.cache/imggen/features').glob('traced-*.npz'))) == 1
    assert os.listdir(tmp_path) == ['.cache']


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    features = cached(Traced().extractor, IMAGES)
    assert features.features.shape == (53, 8)


def test_bad_input_is_a_user_error():
    extractor = Traced().extractor
    with pytest.raises(UserError, match='no images'):
        extract(extractor, [])
    with pytest.raises(UserError, match='resize them'):
        extract(extractor, [IMAGES, IMAGES[:, :4]])
    with pytest.raises(UserError, match='NaN'):
        extract(extractor, np.full((2, 6, 5, 3), np.nan, np.float32))
    with pytest.raises(UserError, match='not int64'):
        extract(extractor, np.zeros((2, 6, 5, 3), np.int64))
    with pytest.raises(UserError, match='height, width'):
        extract(extractor, IMAGES[0])
