"""Trained translations on pictures of any size, in tiles and whole; what was held out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imggen import color, data, devices, images, keys, methods
from imggen.data import tiling
from imggen.data.pairs import filters
from imggen.errors import UserError
from imggen.features import hed
from imggen.inference import translate as translating
from imggen.report import translation_page
from imggen.workdir.restore import Restored

QUICK = {'xla_backend_optimization_level': 0}
ENLARGE = {
    'name': 'super_resolution',
    'num_steps': 1,
    'scale': 2,
    'network': {'features': 3, 'blocks': 1, 'upsampling': 'direct'},
}
TRANSLATE = {
    'name': 'pix2pix',
    'num_steps': 1,
    'gan_weight': 0.0,
    'test_dropout': False,
    'generator': {'features': 2, 'depth': 2, 'norm': 'none'},
}


def restored(section, data, batch):
    """A run that was never trained, with parameters drawn at random."""
    method = methods.make(section)
    state = jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)
    noise = jax.random.key(1)
    params = jax.tree.map(
        lambda leaf: (
            leaf + 0.2 * jax.random.normal(jax.random.fold_in(noise, leaf.size), leaf.shape)
        ),
        state.generator.params,
    )
    state = state.replace(generator=state.generator.replace(params=params))
    if hasattr(state, 'ema'):
        state = state.replace(ema={'params': params})
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    return Restored({'method': section, 'data': data}, method, state, 1, batch, mesh)


@pytest.fixture(scope='module')
def enlarging():
    batch = {'input': jnp.zeros((1, 8, 8, 3)), 'target': jnp.zeros((1, 16, 16, 3))}
    return restored(ENLARGE, {'name': 'pairs', 'task': 'downscale', 'scale': 2}, batch)


@pytest.fixture(scope='module')
def coloring():
    batch = {'input': jnp.zeros((1, 32, 32, 1)), 'target': jnp.zeros((1, 32, 32, 3))}
    return restored(TRANSLATE, {'name': 'pairs', 'task': 'filter', 'filter': 'gray'}, batch)


def pix2pix(generator=None, *, data=None, **options):
    """A run of pix2pix that was never trained, from RGB to RGB."""
    section = TRANSLATE | options | {'generator': TRANSLATE['generator'] | (generator or {})}
    batch = {'input': jnp.zeros((1, 32, 32, 3)), 'target': jnp.zeros((1, 32, 32, 3))}
    return restored(section, data or {'name': 'pairs', 'task': 'side_by_side'}, batch)


def picture(height, width, channels=3, *, seed=0):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 4), -(-width // 4), channels), np.uint8)
    return coarse.repeat(4, 0).repeat(4, 1)[:height, :width]


# Tiles.


@settings(max_examples=50, deadline=None)
@given(
    height=st.integers(1, 90),
    width=st.integers(1, 90),
    tile=st.integers(8, 40),
    scale=st.sampled_from([1, 2]),
    data=st.data(),
)
def test_tiles_of_what_is_seen_pixel_by_pixel_make_the_picture(height, width, tile, scale, data):
    overlap = data.draw(st.integers(4, tile // 2))
    image = np.random.default_rng(0).normal(size=(height, width, 2))
    sides = []

    def function(index, part):
        sides.extend(part.shape[:2])
        return part.repeat(scale, 0).repeat(scale, 1)

    together = tiling.in_tiles(function, image, tile, overlap)
    np.testing.assert_allclose(together, image.repeat(scale, 0).repeat(scale, 1), atol=1e-12)
    assert max(sides) <= tile


def test_where_tiles_disagree_one_fades_into_the_other():
    line = tiling.in_tiles(
        lambda index, part: np.full((*part.shape[:2], 1), index), np.zeros((1, 24, 1)), 16, 8
    )[0, :, 0]
    assert set(line[:10]) == {0.0}
    assert set(line[14:]) == {1.0}
    assert np.all(np.diff(line) >= 0)
    assert np.diff(line).max() < 0.5


def test_a_picture_in_tiles_is_the_picture_whole(enlarging):
    image, key = picture(64, 160), jax.random.key(0)
    whole = translating.make(enlarging, tile=160).translate(key, image)
    tiles = translating.make(enlarging, tile=64, overlap=32).translate(key, image)
    # Programs for two shapes may differ in the last bit, which decides how a half is rounded.
    difference = np.abs(tiles.astype(int) - whole)
    assert difference.max() <= 1 and np.mean(difference > 0) < 1e-3


@pytest.mark.parametrize(('tile', 'overlap'), [(64, 33), (64, 2)])
def test_tiles_that_cannot_overlap_are_refused(enlarging, tile, overlap):
    with pytest.raises(UserError, match=f'--overlap={overlap}'):
        translating.make(enlarging, tile=tile, overlap=overlap)


def test_every_tile_draws_anew():
    output = translating.make(pix2pix(test_dropout=True), tile=64, overlap=8).translate(
        jax.random.key(0), np.full((64, 120, 3), 90, np.uint8)
    )
    # The same columns of the first tile and of the second, clear of where they meet.
    assert np.abs(output[:, 6:58].astype(int) - output[:, 62:114]).max() > 2


def test_a_picture_that_is_normalized_as_one_is_translated_whole():
    run, image = pix2pix({'norm': 'instance'}), picture(544, 544)
    batch = {'input': images.from_uint8(image)[None]}
    sets = run.method.sample(jax.random.key(0)[None], run.state, (), batch)
    translator, tiles = translating.make(run), translating.make(run, tile=256)
    output = translator.translate(jax.random.key(0), image)
    assert np.abs(output.astype(int) - images.to_uint8(sets['output'][0])).max() <= 1
    apart = tiles.translate(jax.random.key(0), image)
    assert np.abs(apart.astype(int) - output).max() > 2
    assert (translator.cuts(image), tiles.cuts(image)) == (False, True)


@pytest.mark.parametrize(
    ('generator', 'options', 'sees_all'),
    [
        ({'norm': 'instance'}, {'test_statistics': 'average'}, True),
        ({'norm': 'batch'}, {}, True),
        ({'norm': 'batch'}, {'test_statistics': 'average'}, False),
        ({'norm': 'none'}, {}, False),
    ],
)
def test_what_is_normalized_by_the_picture_gets_the_larger_tile(generator, options, sees_all):
    translator = translating.make(pix2pix(generator, **options))
    assert (translator.sees_whole_image, translator.tile) == (sees_all, 2048 if sees_all else 512)


def test_enlarging_needs_no_more_than_the_neighbors(enlarging):
    translator = translating.make(enlarging)
    assert (translator.sees_whole_image, translator.tile) == (False, 512)


# One picture.


@pytest.mark.parametrize('size', [(1, 1), (1, 40), (33, 20)])
def test_any_size_comes_back_as_it_was(coloring, enlarging, size):
    key = jax.random.key(0)
    assert translating.make(coloring).translate(key, picture(*size)).shape == (*size, 3)
    double = (2 * size[0], 2 * size[1], 3)
    assert translating.make(enlarging).translate(key, picture(*size)).shape == double


def test_a_picture_of_the_trained_size_is_what_sample_makes(coloring):
    image = picture(32, 32, 1)
    output = translating.make(coloring).translate(jax.random.key(0), image)
    batch = {'input': images.from_uint8(image)[None]}
    image_keys = keys.per_image(jax.random.key(0), 1)
    sets = coloring.method.sample(image_keys, coloring.state, (), batch)
    difference = output.astype(int) - images.to_uint8(sets['output'][0])
    assert np.abs(difference).max() <= 1  # Rounding, of programs that were compiled differently.


@pytest.mark.parametrize('size', [(16, 24), (128, 96)])
def test_colors_alone_are_predicted_at_the_size_of_the_training(size):
    section = {**TRANSLATE, 'colors': 'lab'}
    batch = {'input': jnp.zeros((1, 32, 32, 1)), 'target': jnp.zeros((1, 32, 32, 3))}
    source = {'name': 'pairs', 'task': 'filter', 'filter': 'gray', 'size': (32, 32)}
    run, key = restored(section, source, batch), jax.random.key(0)
    translator = translating.make(run)
    assert not translator.cuts(np.zeros((3000, 3000, 1), np.uint8))
    image = Image.fromarray(picture(32, 32, 1)[..., 0] // 4 + 96)
    large = np.asarray(image.resize(size[::-1], Image.BILINEAR))[..., None]

    colored = images.from_uint8(translator.translate(key, large))
    assert colored.shape == (*size, 3)
    lightness, colors = jax.jit(color.lightness), jax.jit(color.color_target)
    np.testing.assert_allclose(lightness(colored), lightness(images.from_uint8(large)), atol=1.0)
    small = np.asarray(Image.fromarray(large[..., 0]).resize((32, 32), Image.BILINEAR))[..., None]
    trained = colors(images.from_uint8(translator.translate(key, small)))
    np.testing.assert_allclose(colors(colored).mean((0, 1)), trained.mean((0, 1)), atol=0.02)
    # A network that has learned from tiles at full size sees the full size.
    tiled = translating.make(restored(section, {**source, 'fit': 'tiles'}, batch))
    assert tiled.cuts(np.zeros((3000, 3000, 1), np.uint8))
    different = colors(images.from_uint8(tiled.translate(key, large))) - colors(colored)
    assert np.abs(different).mean() > 0.002


def test_the_runs_filter_makes_the_inputs(coloring):
    translate = translating.make(coloring).translate
    image = picture(32, 32)
    gray = np.asarray(Image.fromarray(image).convert('L'))[..., None]
    key = jax.random.key(0)
    np.testing.assert_array_equal(translate(key, image), translate(key, gray))


def test_layers_that_no_picture_holds_need_the_filter():
    batch = {'input': jnp.zeros((1, 32, 32, 12)), 'target': jnp.zeros((1, 32, 32, 3))}
    run = restored(TRANSLATE, {'name': 'pairs', 'filter': 'contours'}, batch)
    with pytest.raises(UserError, match='takes 12 layers'):
        translating.make(run, filtered=True)
    output = translating.make(run).translate(jax.random.key(0), picture(32, 32))
    assert output.shape == (32, 32, 3)


def test_inputs_that_are_made_already_need_no_filter(monkeypatch):
    monkeypatch.setattr(hed, '_PACKAGE', ('no-package', 'hed.h5'))
    filters._hed.cache_clear()
    batch = {'input': jnp.zeros((1, 32, 32, 1)), 'target': jnp.zeros((1, 32, 32, 3))}
    run = restored(TRANSLATE, {'name': 'pairs', 'filter': 'hed'}, batch)
    translating.make(run, filtered=True)
    with pytest.raises(UserError, match='no-package are not installed'):
        translating.make(run)


def test_a_run_that_translates_nothing_is_refused(coloring):
    config = {'method': {'name': 'gan'}, 'data': {'name': 'folder'}}
    with pytest.raises(UserError, match="the method 'gan' translates no images"):
        translating.make(
            coloring._replace(config=config, method=coloring.method._replace(translation=None))
        )


def test_a_run_of_noise_needs_no_pictures_and_takes_none(coloring):
    run = pix2pix(data={'name': 'pairs', 'task': 'noise'})
    three = list(translating.from_noise(run, num_images=3, seed=1))
    assert [(output.shape, output.dtype) for output in three] == [((32, 32, 3), np.uint8)] * 3
    np.testing.assert_array_equal(next(translating.from_noise(run, num_images=1, seed=1)), three[0])
    assert np.any(three[0] != three[1])
    with pytest.raises(UserError, match='noise and takes no --input'):
        translating.make(run)
    with pytest.raises(UserError, match='needs images: give --input'):
        translating.from_noise(coloring, num_images=1)


# Held-out pictures.


@pytest.fixture(scope='module')
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photographs')
    for index in range(10):
        images.write_png(folder / f'{index}.png', picture(32, 32, seed=index))
    return folder


def test_validation_yields_held_out_pictures_with_their_truth(coloring, photographs):
    section = coloring.config['data'] | {'path': str(photographs), 'size': (32, 32)}
    run = coloring._replace(config=coloring.config | {'data': section | {'test_fraction': 0.5}})
    pairs = data.held_out(run.config['data'])
    count = len(pairs['target'])
    assert 2 < count < 10
    chunks = list(translating.validation(run, num_images=100, batch_size=2))
    assert sum(len(chunk['target']) for chunk in chunks) == count
    target = np.concatenate([chunk['target'] for chunk in chunks])
    np.testing.assert_array_equal(images.to_uint8(target), pairs['target'])
    few = next(translating.validation(run, num_images=1, batch_size=2))
    np.testing.assert_allclose(few['output'], chunks[0]['output'][:1], atol=2.1 / 255)


def test_the_page_shows_every_set_of_every_picture(coloring, photographs, tmp_path):
    section = coloring.config['data'] | {'path': str(photographs), 'size': (32, 32)}
    run = coloring._replace(config=coloring.config | {'data': section | {'test_fraction': 0.5}})
    page = translation_page.write(run, tmp_path, num_images=100).read_text()
    names = data.files(run.config['data'], split='test')
    assert len(names) >= 3
    for index in range(len(names)):
        for name in ('input', 'output', 'target'):
            assert page.count(f'src="{index:05d}_{name}.png"') == 1
            with Image.open(tmp_path / f'{index:05d}_{name}.png') as image:
                assert image.size == (32, 32)
    for index, name in enumerate(names):
        assert page.count(f'<td>{index} {name}</td>') == 1
        truth = np.asarray(Image.open(tmp_path / f'{index:05d}_target.png'))
        np.testing.assert_array_equal(truth, np.asarray(Image.open(photographs / name)))
    assert 'http' not in page  # It asks nothing of a network.


def test_the_page_is_spread_over_the_held_out_part(coloring, photographs, tmp_path):
    section = coloring.config['data'] | {'path': str(photographs), 'size': (32, 32)}
    run = coloring._replace(config=coloring.config | {'data': section | {'test_fraction': 0.5}})
    names = data.files(run.config['data'], split='test')
    page = translation_page.write(run, tmp_path, num_images=2).read_text()
    for index, name in enumerate((names[0], names[-1])):
        assert f'<td>{index} {name}</td>' in page
        truth = np.asarray(Image.open(tmp_path / f'{index:05d}_target.png'))
        np.testing.assert_array_equal(truth, np.asarray(Image.open(photographs / name)))


def test_a_page_takes_the_place_of_the_one_that_was_there(coloring, photographs, tmp_path):
    section = coloring.config['data'] | {'path': str(photographs), 'size': (32, 32)}
    run = coloring._replace(config=coloring.config | {'data': section | {'test_fraction': 0.5}})
    (tmp_path / '00007_mine.png').touch()
    translation_page.write(run, tmp_path, num_images=3)
    with pytest.raises(UserError):  # A page that fails leaves the older one as it was.
        translation_page.write(
            run._replace(method=run.method._replace(translation=None)), tmp_path, num_images=1
        )
    assert (tmp_path / '00002_target.png').exists()
    translation_page.write(run, tmp_path, num_images=2)
    numbers = {path.name.split('_')[0] for path in tmp_path.glob('*.png')}
    assert numbers == {'00000', '00001', '00007'}
