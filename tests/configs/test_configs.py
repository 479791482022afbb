"""Every config can run; one of each kind trains, saves and goes on with the real trainer."""

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

from imggen import cli, devices, images, keys, methods, options
from imggen.data.loaders import idx
from imggen.data.pairs import filters
from imggen.errors import UserError
from imggen.training import hooks, train
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = sorted(
    path for path in (ROOT / 'configs').glob('*.py') if path.stem not in ('common', '__init__')
)


def load(path: pathlib.Path, argument: str = 'smoke'):
    return cli.load_config(f'{path}:{argument}' if argument else str(path))


@pytest.fixture(scope='session')
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp('pictures')
    generator = np.random.default_rng(0)
    for index in range(12):
        image = generator.integers(0, 256, (70, 80, 3), dtype=np.uint8)
        images.write_png(folder / f'{index}.png', image)
    return folder


@pytest.fixture(scope='session')
def mnist(tmp_path_factory):
    """A folder of IDX files with a few digits."""
    folder, generator = tmp_path_factory.mktemp('mnist'), np.random.default_rng(0)
    for split, count in (('train', 40), ('test', 20)):
        digits = generator.integers(0, 256, (count, 28, 28))
        idx.write(folder, split, digits, np.arange(count) % 10)
    return folder


@pytest.fixture(scope='session')
def generator(tmp_path_factory):
    """The workdir of a generator, for configs that search its latents."""
    workdir = tmp_path_factory.mktemp('generator')
    config = load(ROOT / 'configs' / 'gan_perceptron_digits.py')
    config.data = {'name': 'fashion_mnist', 'batch_size': 16, 'max_examples': 100}
    config.method.num_steps = 1
    train.train(config.to_dict(), workdir)
    return workdir


def small(path, pictures, request):
    """Returns what the config describes, as it is tried, on pictures that are there."""
    config = load(path)
    if config.method.get('problem', {}).get('encoding') == 'runs/gan':
        config.method.problem.encoding = str(request.getfixturevalue('generator'))
    if config.data.name == 'idx':
        config.data.path = str(request.getfixturevalue('mnist'))
    if config.data.get('path') == '':
        config.data.path = str(pictures)
        config.data.size = (16, 16)
    if config.data.get('filter') == 'hed':
        try:
            filters.make('hed', {})
        except UserError as error:
            pytest.skip(str(error))
    if config.data.get('target_path') == '':
        config.data.target_path = str(pictures)
    if config.data.get('style') == '':
        config.data.content, config.data.style = (str(pictures / f'{i}.png') for i in (0, 1))
    if config.data.name == 'fashion_mnist':
        config.data.max_examples = 2000
    config.method.num_steps = 4
    config.run.sample_every_steps = config.run.checkpoint_every_steps = 2
    return config


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_is_traced_from_its_first_batch_to_its_sheet(path, pictures, request):
    """All that a run computes, without XLA: most faults of a config show when it is traced."""
    config = small(path, pictures, request).to_dict()
    run = options.build(train.RunConfig, config['run'], where='config.run')
    method, (source, mesh) = methods.make(config['method']), train._source(config)
    key = jax.random.key(0)
    batch = jax.eval_shape(source.gather, source.window(0, 1), 0)
    state = jax.eval_shape(method.init, key, method.frozen, batch)
    devices.check_population(mesh, method.state_spec, state)
    for phase in method.phases:
        after, metrics = jax.eval_shape(phase.step, key, state, method.frozen, batch)
        assert shapes(after) == shapes(state)
        assert all(leaf.shape == () for leaf in metrics.values())
    shown = source.preview(run.num_samples) or batch
    inputs = {name: leaf for name, leaf in shown.items() if name != 'label'}
    count = min(run.num_samples, method.num_images or run.num_samples)
    if method.num_images is not None:
        inputs['index'] = np.arange(count)
    sets = jax.eval_shape(method.sample, keys.per_image(key, count), state, method.frozen, inputs)
    assert method.output is None or method.output in sets
    hooks.sheet({name: np.zeros(leaf.shape, leaf.dtype) for name, leaf in sets.items()})


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


# Data of each kind, and samples of each kind: drawn, translated, searched, and none. That every
# method goes on from a checkpoint is tested in tests/methods/test_methods.py.
TRAINED = (
    'classifier_dense_fashion_mnist',
    'evolve_gradient',
    'gan_perceptron_digits',
    'pix2pix_thresholds',
    'pixel_average_mean',
    'style_gatys',
)


@pytest.mark.parametrize('name', TRAINED)
def test_config_trains_saves_and_goes_on(name, pictures, tmp_path, request):
    config = small(ROOT / 'configs' / f'{name}.py', pictures, request)
    if 'gan_weight' in config.method:
        config.method.gan_weight = 0.0  # Half as much to compile.
    whole = train.train(config.to_dict(), tmp_path)
    assert whole.finished
    shutil.rmtree(tmp_path / 'checkpoints' / '4')  # As if killed before its last checkpoint.
    cases.assert_equal_bits(train.train(config.to_dict(), tmp_path).state, whole.state)
    records = [json.loads(line) for line in (tmp_path / 'metrics.jsonl').read_text().splitlines()]
    assert [record['step'] for record in records if 'seconds' in record] == [1, 2, 3, 4]
    assert json.loads((tmp_path / 'run.json').read_text())['status'] == 'finished'
    sheets = sorted(sheet.name for sheet in (tmp_path / 'samples').iterdir())
    real = [] if config.data.name in ('none', 'pairs') else ['real.png']
    assert sheets == ['000002.png', '000004.png', *real]
    assert Checkpoints(tmp_path / 'checkpoints', read_only=True).newest == 4


def test_a_finished_run_stays_as_it_is_and_takes_no_other_config(tmp_path):
    config = load(ROOT / 'configs' / 'pixel_average_mean.py')
    config.data = {'name': 'digits', 'batch_size': 8}
    config.method.num_steps = 1
    assert train.train(config.to_dict(), tmp_path).finished
    before = (tmp_path / 'metrics.jsonl').read_text()
    assert train.train(config.to_dict(), tmp_path).finished
    assert (tmp_path / 'metrics.jsonl').read_text() == before
    config.seed = 9
    with pytest.raises(UserError, match=r'another config: seed \(there 0, now 9\)'):
        train.train(config.to_dict(), tmp_path)


@pytest.mark.parametrize(
    ('name', 'steps'), [('log_every_steps', 0), ('checkpoint_every_steps', -1)]
)
def test_a_period_of_no_steps_is_refused(name, steps, tmp_path):
    config = load(ROOT / 'configs' / 'gan_perceptron_digits.py')
    config.run[name] = steps
    with pytest.raises(UserError, match=f'config.run.{name} is {steps}; set it to'):
        train.train(config.to_dict(), tmp_path)


def test_a_budget_below_one_batch_is_refused(tmp_path):
    config = load(ROOT / 'configs' / 'evaluator_dcgan.py', 'smoke,data=digits')
    config.total_images = 15
    with pytest.raises(UserError, match='the run has no step: raise'):
        train.train(config.to_dict(), tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_options_too_large_together_are_refused(tmp_path):
    config = load(ROOT / 'configs' / 'evaluator_imle.py', 'smoke,data=digits')
    config.method.pool_factor = 2**30
    with pytest.raises(UserError, match=r'too large together .*: give smaller numbers'):
        train.train(config.to_dict(), tmp_path)


@pytest.mark.parametrize(
    ('argument', 'message'),
    [
        ('data=folder,kind=cat', 'argument kind is not for data=folder'),
        ('size=64', 'argument size is not for data=fashion_mnist'),
        ('data=faces', "data='faces' is unknown"),
    ],
)
def test_arguments_that_would_do_nothing_are_refused(argument, message):
    with pytest.raises(UserError, match=message):
        load(ROOT / 'configs' / 'evaluator_dcgan.py', argument)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_opens_with_its_command(path):
    text = path.read_text()
    assert f'--config=configs/{path.name}' in text.split('"""')[1]


def test_an_overridden_budget_reaches_what_derives_from_it():
    config = load(ROOT / 'configs' / 'r3gan_fashion_mnist.py', '')
    config.total_images, config.data.batch_size, config.method.r1_gamma = 1000, 10, 3.0
    assert config.method.num_steps == 100
    assert config.method.r2_gamma == 3.0
