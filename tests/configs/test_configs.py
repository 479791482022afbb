"""Every config trains, saves, restores and continues to the same end, with the real trainer."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from imggen import cli, images
from imggen.data.loaders import idx
from imggen.errors import UserError
from imggen.training import train
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
    config = load(ROOT / 'configs' / 'gan_fashion_mnist.py')
    config.total_images = config.data.batch_size
    train.train(config.to_dict(), workdir)
    return workdir


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_trains_saves_and_goes_on(path, pictures, tmp_path, request):
    # If a config takes several kinds of images, the smallest: most of the time is compilation.
    digits = path.stem.startswith('evaluator_') and path.stem != 'evaluator_threshold'
    config = load(path, 'smoke,data=digits' if digits else 'smoke')
    if config.method.get('problem', {}).get('encoding') == 'runs/gan':
        config.method.problem.encoding = str(request.getfixturevalue('generator'))
    if config.data.name == 'fashion_mnist':
        config.data.max_examples = 2000  # Measurements in training compare with as few.
    if config.data.name == 'idx':
        config.data.path = str(request.getfixturevalue('mnist'))
    if config.data.get('path') == '':
        config.data.path = str(pictures)
        config.data.size = (16, 16)
    if config.data.get('target_path') == '':
        config.data.target_path = str(pictures)
    if config.data.get('style') == '':
        config.data.content, config.data.style = (str(pictures / f'{i}.png') for i in (0, 1))
    config.method.num_steps = 4
    config.run.sample_every_steps = config.run.checkpoint_every_steps = 2
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
    config = load(ROOT / 'configs' / 'gan_perceptron_digits.py')
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


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_config_opens_with_its_command(path):
    text = path.read_text()
    assert f'--config=configs/{path.name}' in text.split('"""')[1]


def test_an_overridden_budget_reaches_what_derives_from_it():
    config = load(ROOT / 'configs' / 'r3gan_fashion_mnist.py', '')
    config.total_images, config.data.batch_size, config.method.r1_gamma = 1000, 10, 3.0
    assert config.method.num_steps == 100
    assert config.method.r2_gamma == 3.0
