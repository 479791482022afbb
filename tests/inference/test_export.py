"""Exported models make what their runs make, without this package and with it."""

import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from jax import export as serialized

import imggen
from imggen import devices, methods
from imggen.errors import UserError
from imggen.inference import export
from imggen.workdir import weights
from imggen.workdir.restore import Restored
from tests.helpers import cases


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    """A run of a class-conditional generator, and the folder of its export."""
    folder = tmp_path_factory.mktemp('export')
    config = imggen.load_config('gan_perceptron_digits:smoke')
    config.method.num_classes = 10
    run = imggen.train(config, folder / 'run')
    command = [sys.executable, '-m', 'experiments.export', f'--workdir={folder / "run"}']
    made = subprocess.run([*command, f'--output={folder / "model"}'], capture_output=True)
    assert made.returncode == 0, made.stderr.decode()
    return run, folder / 'model'


def test_the_lines_of_the_card_make_the_images_of_the_run_without_imggen(folders, tmp_path):
    run, model = folders
    lines = re.search(r'```python\n(.*?)```', (model / 'README.md').read_text(), re.DOTALL)[1]
    after = "import sys; assert 'imggen' not in sys.modules; np.save(sys.argv[1], images)"
    program, file = f'{lines}{after}', tmp_path / 'images.npy'
    done = subprocess.run([sys.executable, '-c', program, file], cwd=model, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    latents = np.asarray(jax.random.normal(jax.random.key(0), (4, run.latent_size)))
    expected = run.sample(4, latent=latents, label=0)
    images = np.uint8(np.clip(np.rint(127.5 * np.load(file) + 127.5), 0, 255))
    assert np.abs(images.astype(int) - expected).max() <= 1


def test_an_exported_model_is_loaded_as_a_run(folders):
    run, model = folders
    loaded = imggen.load(model)
    assert loaded.step == run.step and loaded.config == run.config
    # Labels are drawn by unequal counts, so the model must know them.
    counts = run._restored.class_counts
    assert len(set(counts)) > 1 and loaded._restored.class_counts == counts
    np.testing.assert_array_equal(loaded.sample(6, seed=3), run.sample(6, seed=3))
    with pytest.raises(UserError, match='exported model of step'):
        imggen.load(model, which=run.step + 1)


def test_weights_in_half_precision_are_half_as_large_and_as_close_as_they_can_be(folders, tmp_path):
    run, model = folders
    state = run._restored.state
    weights.write(tmp_path / weights.NAME, state, step=run.step, half=True)
    sizes = [(folder / weights.NAME).stat().st_size for folder in (tmp_path, model)]
    assert sizes[0] < 0.6 * sizes[1]
    read = weights.read(tmp_path / weights.NAME, state)
    for one, other in zip(jax.tree.leaves(read.ema), jax.tree.leaves(state.ema), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=2**-11, atol=2**-25)


def test_an_average_alone_stands_for_its_network_and_for_an_early_one(tmp_path):
    method = cases.method('latent_flow')
    state = jax.jit(method.init)(jax.random.key(0), (), cases.source().batch(0))
    moved = jax.tree.map(lambda leaf: leaf + 1, state.flow.ema)
    whole = state.replace(flow=state.flow.replace(ema=moved))
    weights.write(tmp_path / 'whole', whole, step=0)
    arrays = safetensors.numpy.load_file(tmp_path / 'whole')
    kept = {name: array for name, array in arrays.items() if not re.search('network|early', name)}
    assert len(kept) < len(arrays)
    safetensors.numpy.save_file(kept, tmp_path / 'short', metadata={'step': '0'})
    flow = weights.read(tmp_path / 'short', whole).flow
    for found in (flow.network.variables, flow.early, flow.ema):
        cases.assert_equal_bits(found, moved)
    del kept[next(name for name in kept if 'ema' in name)]
    safetensors.numpy.save_file(kept, tmp_path / 'less', metadata={'step': '0'})
    with pytest.raises(UserError, match=r"has no array 'flow\.(network|ema)"):
        weights.read(tmp_path / 'less', whole)


def test_what_half_precision_cannot_hold_is_named(tmp_path):
    state = {'ema': jnp.asarray([1.0, 1e6]), 'step': jnp.asarray(3)}
    with pytest.raises(UserError, match='ema is too large for float16: leave --half out'):
        weights.write(tmp_path / weights.NAME, state, step=3, half=True)
    assert not list(tmp_path.iterdir())


def test_all_files_can_be_read_by_others(folders):
    modes = {path.name: path.stat().st_mode & 0o777 for path in folders[1].iterdir()}
    assert len(set(modes.values())) == 1, modes


def test_the_card_names_the_arguments_and_the_config(folders):
    text = (folders[1] / 'README.md').read_text()
    for part in ('| seeds | uint32 [n] |', '| label | int32 [n] |', '| method.num_classes | 10 |'):
        assert part in text
    assert '| 3 | 3 |' in text  # Label and class: these are digits.
    assert 'was not measured' in text
    assert (folders[1] / 'samples.png').is_file()


def test_damaged_weights_are_named(folders, tmp_path):
    run, model = folders
    like = jax.tree.map(lambda leaf: leaf, run._restored.state)
    path = tmp_path / weights.NAME
    whole = (model / weights.NAME).read_bytes()
    for content in (b'', whole[:40], b'\xff' * 200, whole[:-8]):
        path.write_bytes(content)
        with pytest.raises(UserError, match='cannot be read'):
            weights.read(path, like)
        with pytest.raises(UserError, match='cannot be read'):
            weights.step(path)
    wider = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((*leaf.shape, 2), leaf.dtype, sharding=leaf.sharding),
        like,
    )
    with pytest.raises(UserError, match='does not belong to its config'):
        weights.read(model / weights.NAME, wider)


def test_a_translation_takes_any_number_and_size():
    section = {
        'name': 'pix2pix',
        'num_steps': 1,
        'gan_weight': 0.0,
        'generator': {'features': 2, 'depth': 2},
    }
    method = methods.make(section)
    batch = {'input': jnp.zeros((1, 32, 32, 1)), 'target': jnp.zeros((1, 32, 32, 3))}
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    restored = Restored({'method': section}, method, state, 1, batch, mesh)
    data = export.program(restored).serialize()
    program = serialized.deserialize(data)
    rng = np.random.default_rng(0)
    for count, height, width in ((1, 32, 32), (3, 64, 32)):
        pictures = rng.uniform(-1, 1, (count, height, width, 1)).astype('float32')
        seeds = np.arange(count, dtype='uint32')
        made = program.call(seeds=seeds, input=pictures)
        image_keys = jax.vmap(jax.random.key)(seeds)
        expected = method.sample(image_keys, state, (), {'input': jnp.asarray(pictures)})
        np.testing.assert_allclose(made, expected['output'], atol=2e-5)


def test_a_flow_takes_its_guidance():
    network = {'features': (4, 4), 'heads': 1}
    section = {'name': 'flow_matching', 'num_steps': 1, 'num_classes': 3, 'network': network}
    section |= {'guidance': 2.0, 'evaluations': 2, 'solver': 'euler'}
    method = methods.make(section)
    batch = {'image': jnp.zeros((1, 8, 8, 1)), 'label': jnp.zeros(1, jnp.int32)}
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    noisy = jax.tree.map(
        lambda leaf: leaf + 0.1 * jnp.cos(jnp.arange(leaf.size)).reshape(leaf.shape), state.ema
    )
    state = state.replace(ema=noisy)
    mesh = devices.make_mesh(devices=jax.devices()[:1])
    program = export.program(Restored({'method': section}, method, state, 1, batch, mesh))
    given = {'label': np.int32([0, 1]), 'guidance': np.float32([2, 5])}
    made = np.asarray(program.call(seeds=np.arange(2, dtype='uint32'), **given))
    image_keys = jax.vmap(jax.random.key)(np.arange(2))
    expected = jax.jit(method.sample)(image_keys, state, (), {**batch, **given})['generated']
    np.testing.assert_allclose(made, expected, atol=2e-5)
    usual = jax.jit(method.sample)(image_keys, state, (), {**batch, 'label': given['label']})
    np.testing.assert_allclose(made[0], usual['generated'][0], atol=2e-5)
    assert np.abs(made[1] - usual['generated'][1]).max() > 1e-3


def test_a_search_is_not_exported():
    section = imggen.load_config('pixel_average_mean').method.to_dict()
    restored = Restored({'method': section}, methods.make(section), None, 1, {}, None)
    with pytest.raises(UserError, match='searches for images'):
        export.check(restored)
