"""Trained translations on pictures of any size: tiles, alpha, names, and files that are broken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imggen import devices, images, keys, methods, tiling, translating, translation_page
from imggen.errors import UserError
from imggen.restoring import Restored

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
    if hasattr(state, 'average'):
        state = state.replace(average={'params': params})
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    return Restored({'method': section, 'data': data}, method, state, 1, batch, mesh)


@pytest.fixture(scope='module')
def enlarging():
    batch = {'input': jnp.zeros((1, 8, 8, 3)), 'target': jnp.zeros((1, 16, 16, 3))}
    return restored(ENLARGE, {'name': 'pairs', 'task': 'downscale', 'scale': 2}, batch)


@pytest.fixture(scope='module')
def coloring():
    batch = {'input': jnp.zeros((1, 32, 32, 1)), 'target': jnp.zeros((1, 32, 32, 3))}
    return restored(TRANSLATE, {'name': 'pairs', 'task': 'filter', 'filter': 'grey'}, batch)


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

    def function(part):
        sides.extend(part.shape[:2])
        return part.repeat(scale, 0).repeat(scale, 1)

    together = tiling.in_tiles(function, image, tile, overlap)
    np.testing.assert_allclose(together, image.repeat(scale, 0).repeat(scale, 1), atol=1e-12)
    assert max(sides) <= tile


def test_where_tiles_disagree_one_fades_into_the_other():
    values = iter([0.0, 1.0])
    line = tiling.in_tiles(
        lambda part: np.full((*part.shape[:2], 1), next(values)), np.zeros((1, 24, 1)), 16, 8
    )[0, :, 0]
    assert set(line[:10]) == {0.0}
    assert set(line[14:]) == {1.0}
    assert np.all(np.diff(line) >= 0)
    assert np.diff(line).max() < 0.5


def test_a_picture_in_tiles_is_the_picture_whole(enlarging):
    image, key = picture(64, 160), jax.random.key(0)
    whole = translating.make(enlarging, tile=160).translate(key, image)
    tiles = translating.make(enlarging, tile=64, overlap=32).translate(key, image)
    np.testing.assert_array_equal(tiles.astype(int), whole)


@pytest.mark.parametrize(('tile', 'overlap'), [(64, 33), (64, 2)])
def test_tiles_that_cannot_overlap_are_refused(enlarging, tile, overlap):
    with pytest.raises(UserError, match=f'--overlap={overlap}'):
        translating.make(enlarging, tile=tile, overlap=overlap)


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


def test_the_runs_filter_makes_the_inputs(coloring):
    translate = translating.make(coloring).translate
    image = picture(32, 32)
    grey = np.asarray(Image.fromarray(image).convert('L'))[..., None]
    key = jax.random.key(0)
    np.testing.assert_array_equal(translate(key, image), translate(key, grey))


def test_layers_that_no_picture_holds_need_the_filter():
    batch = {'input': jnp.zeros((1, 32, 32, 12)), 'target': jnp.zeros((1, 32, 32, 3))}
    run = restored(TRANSLATE, {'name': 'pairs', 'filter': 'contours'}, batch)
    with pytest.raises(UserError, match='takes 12 layers'):
        translating.make(run, filtered=True)
    output = translating.make(run).translate(jax.random.key(0), picture(32, 32))
    assert output.shape == (32, 32, 3)


def test_a_run_that_translates_nothing_is_refused(coloring):
    config = {'method': {'name': 'gan'}, 'data': {'name': 'folder'}}
    with pytest.raises(UserError, match="the method 'gan' translates no pictures"):
        translating.make(coloring._replace(config=config))


# Folders.


def test_a_folder_keeps_names_sizes_and_alpha_and_goes_on_after_a_broken_file(enlarging, tmp_path):
    source, output = tmp_path / 'source', tmp_path / 'output'
    (source / 'sub').mkdir(parents=True)
    alpha = np.tile(np.arange(0, 240, 20, dtype=np.uint8)[:, None], (1, 20))
    rgba = np.concatenate([picture(12, 20), alpha[..., None]], axis=-1)
    Image.fromarray(rgba).save(source / 'a.png')
    Image.fromarray(picture(9, 30, 1)[..., 0]).save(source / 'grey.bmp')
    Image.fromarray(picture(20, 10)).save(source / 'sub' / 'b.jpg')
    Image.fromarray(picture(1, 1)).save(source / 'c.gif')
    (source / 'broken.png').write_bytes(b'not a picture')
    counts = []
    written, skipped = translating.translate_files(
        translating.make(enlarging), source, output, done=lambda *count: counts.append(count)
    )
    assert written == 4
    assert counts[-1] == (5, 5)
    assert len(skipped) == 1
    assert 'broken.png cannot be read' in skipped[0]
    found = {path.relative_to(output).as_posix() for path in output.rglob('*') if path.is_file()}
    assert found == {'a.png', 'grey.bmp', 'sub/b.jpg', 'c.gif.png'}
    with Image.open(output / 'a.png') as result:
        assert (result.mode, result.size) == ('RGBA', (40, 24))
        assert np.abs(np.asarray(result)[::2, ::2, 3].astype(int) - alpha).max() <= 20
    with Image.open(output / 'grey.bmp') as result:
        assert (result.mode, result.size) == ('L', (60, 18))
    with Image.open(output / 'sub' / 'b.jpg') as result:
        assert (result.format, result.size) == ('JPEG', (20, 40))


def test_one_picture_goes_where_it_is_told(coloring, tmp_path):
    source = tmp_path / 'a.png'
    Image.fromarray(picture(8, 12)).save(source)
    translator = translating.make(coloring)
    translating.translate_files(translator, source, tmp_path / 'b.webp')
    translating.translate_files(translator, source, tmp_path / 'out')
    with Image.open(tmp_path / 'b.webp') as one, Image.open(tmp_path / 'out' / 'a.png') as two:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(two))
        assert one.size == (12, 8)


@pytest.mark.parametrize(
    ('source', 'output', 'message'),
    [
        ('pictures', 'pictures', 'would overwrite'),
        ('pictures/a.png', 'pictures/a.png', 'would overwrite'),
        ('nowhere', 'out', 'is no picture and no folder'),
        ('empty', 'out', 'holds no pictures'),
    ],
)
def test_where_pictures_come_from_and_go_is_checked_first(
    coloring, tmp_path, source, output, message
):
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'empty').mkdir()
    Image.fromarray(picture(8, 8)).save(tmp_path / 'pictures' / 'a.png')
    before = (tmp_path / 'pictures' / 'a.png').read_bytes()
    with pytest.raises(UserError, match=message):
        translating.translate_files(
            translating.make(coloring), tmp_path / source, tmp_path / output
        )
    assert (tmp_path / 'pictures' / 'a.png').read_bytes() == before


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
    pairs = translating.held_out(run.config['data'])
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
    page = translation_page.write(run, tmp_path, num_images=3).read_text()
    for index in range(3):
        for name in ('input', 'output', 'target'):
            assert page.count(f'src="{index:05d}_{name}.png"') == 1
            with Image.open(tmp_path / f'{index:05d}_{name}.png') as image:
                assert image.size == (32, 32)
    assert 'http' not in page  # It asks nothing of a network.
