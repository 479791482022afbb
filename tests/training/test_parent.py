"""Runs that start from the networks of another run."""

import pathlib
import shutil

import jax
import numpy as np
import pytest

from imggen import methods
from imggen.errors import UserError
from imggen.inference import load
from imggen.training import parent as parents
from imggen.training import train
from imggen.workdir import reader, weights
from tests.helpers import cases, processes


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('parent')


@pytest.fixture(scope='module')
def config(folder):
    """The config of a GAN of two steps."""
    images = processes.write_set(folder / 'set', count=16)
    return {
        'seed': 0,
        'method': {**cases.CONFIGS['gan_dcgan'], 'num_steps': 2},
        'data': {'name': 'idx', 'path': str(images), 'batch_size': 8},
        'run': {'num_samples': 4, 'checkpoint_every_steps': 1},
    }


@pytest.fixture(scope='module')
def parent(folder, config):
    """A trained run."""
    train.train(config, folder / 'parent')
    return folder / 'parent'


def child(config, parent, **method):
    """Returns the config of another seed that starts from the parent."""
    method = {**config['method'], **method}
    return {**config, 'seed': 1, 'init_from': str(parent), 'method': method}


def info(workdir: pathlib.Path):
    return reader.read(workdir).info


def variables(state):
    return [state.generator.variables, state.discriminator.variables, state.ema]


def first_state(config, workdir):
    """Returns the state at step 0 of a run that starts from another one, and the record."""
    made = methods.make(config['method'])
    batch = {'image': np.zeros((8, 8, 8, 1), np.float32), 'label': np.zeros(8, np.int32)}
    made, record = parents.adopt(made, workdir, batch)
    return jax.jit(made.init)(jax.random.key(1), (), batch), record


def test_a_run_starts_from_its_parent_and_resumes_without_it(config, parent, tmp_path, capfd):
    there, here = tmp_path / 'there', tmp_path / 'here'
    shutil.copytree(parent, there)
    # Without a learning rate the parameters stay what they were at step 0.
    section = child(config, there, learning_rate=0.0)
    whole = train.train(section, here)
    expected = load.load(there).state
    for name in ('generator', 'discriminator'):
        found, wanted = (getattr(state, name).params for state in (whole.state, expected))
        cases.assert_equal_bits(found, wanted)
    start = {'workdir': str(there), 'step': 2, 'drawn': []}
    start['taken'] = ['discriminator', 'ema', 'generator']
    recorded = info(here)['init_from']
    assert {**recorded, 'taken': sorted(recorded['taken'])} == start
    said = capfd.readouterr().err
    assert f'from {there}, step 2: ' in said and f'samples are in {here}/samples' in said
    # Killed after its first step, it goes on; its parent is gone.
    shutil.rmtree(here / 'checkpoints' / '2')
    shutil.rmtree(there)
    cases.assert_equal_bits(train.train(section, here).state, whole.state)
    assert info(here)['init_from'] == recorded
    assert info(here)['sessions'] == 2


def test_networks_come_from_a_run_or_an_exported_model_and_optimizers_start_anew(
    config, parent, tmp_path
):
    restored = load.load(parent)
    for name in ('config.json', 'run.json'):
        shutil.copyfile(parent / name, tmp_path / name)
    weights.write(tmp_path / weights.NAME, restored.state, step=restored.step)
    for workdir in (parent, tmp_path):
        state, record = first_state(config, workdir)
        cases.assert_equal_bits(variables(state), variables(restored.state))
        assert state.step == 0 and record['step'] == 2
        moments = jax.tree.leaves(state.generator.opt_state)
        assert not any(np.any(leaf) for leaf in moments)


def test_a_network_that_the_parent_does_not_have_is_drawn(config, parent):
    wider = child(config, parent, discriminator={'features': 5})
    state, record = first_state(wider, parent)
    restored = load.load(parent).state
    cases.assert_equal_bits(state.generator.variables, restored.generator.variables)
    assert record['drawn'] == ['discriminator']
    said = parents.sentence(record)
    assert (
        'generator, ema; drawn anew: discriminator, because discriminator.params.Conv_0.bias is'
        in said
    )


@pytest.mark.parametrize('theirs, ours', [(0, 10), (10, 0), (10, 12), (10, 10)])
def test_a_network_is_taken_whatever_its_classes(config, tmp_path, theirs, ours):
    method = {**cases.CONFIGS['flow_matching'], 'num_steps': 2, 'num_classes': theirs}
    flow = {**config, 'method': method}
    wanted = dict(train.train(flow, tmp_path / 'parent').state.ema['params'])
    section = child(flow, tmp_path / 'parent', num_classes=ours)
    state, record = first_state(section, tmp_path / 'parent')
    given = dict(state.ema['params'])
    tables = given.pop('Embed_0', None), wanted.pop('Embed_0', None)
    cases.assert_equal_bits(given, wanted)
    assert record['taken'] == ['network', 'ema']
    if ours == theirs:
        cases.assert_equal_bits(*tables)
    if ours in (0, theirs):
        assert record['drawn'] == [] and 'why' not in record
        return
    assert tables[0]['embedding'].shape == (ours + 1, 32)
    assert parents.sentence(record).endswith(
        'drawn anew: the classes of network, the classes of ema, because the parent has other '
        'classes or none'
    )
    assert train.train(section, tmp_path / 'child').finished


def test_a_flow_in_latents_says_why_its_early_network_and_its_tables_are_drawn(config, tmp_path):
    method = {**cases.CONFIGS['latent_flow'], 'num_steps': 4, 'early': 0.0}
    flow = {**config, 'method': method}
    train.train(flow, tmp_path / 'parent')
    section = child(flow, tmp_path / 'parent', num_classes=10, early=0.4)
    _, record = first_state(section, tmp_path / 'parent')
    assert sorted(record['drawn']) == [
        'flow.early',
        'flow.ema.params.Embed_0.embedding',
        'flow.network.params.Embed_0.embedding',
    ]
    assert record['why'] == (
        'the parent has no flow.early, and the parent has other classes or none'
    )


def test_a_discriminator_is_not_taken_without_its_generator(config, parent):
    """The latents of a generator with classes are longer; of the discriminator, a table differs."""
    with pytest.raises(UserError, match='has no network that fits: generator'):
        first_state(child(config, parent, num_classes=10), parent)


def test_a_parent_with_nan_is_refused_by_the_name_of_the_array(config, parent, tmp_path):
    restored = load.load(parent)
    for name in ('config.json', 'run.json'):
        shutil.copyfile(parent / name, tmp_path / name)
    state = restored.state.replace(ema=jax.tree.map(lambda leaf: leaf + np.nan, restored.state.ema))
    weights.write(tmp_path / weights.NAME, state, step=restored.step)
    with pytest.raises(UserError, match=r'init_from=.* has NaN or infinity in ema\.'):
        first_state(config, tmp_path)


def test_what_is_no_parent_is_refused_before_anything_is_written(config, parent, tmp_path):
    other = {name: {'features': 5} for name in ('generator', 'discriminator')}
    wanted = r'a run of the method gan, has no network that fits: .* there and .* here'
    with pytest.raises(UserError, match=wanted):
        train.train(child(config, parent, **other), tmp_path / 'other')
    with pytest.raises(UserError, match='nowhere'):
        train.train(child(config, tmp_path / 'nowhere'), tmp_path / 'other')
    assert not (tmp_path / 'other').exists()


def test_a_flow_learns_the_latents_of_the_autoencoder_of_its_parent(config, folder, tmp_path):
    flow = {**config, 'method': cases.CONFIGS['latent_flow']}
    theirs = train.train(flow, folder / 'flow').state
    section = child(flow, folder / 'flow', autoencoder_fraction=0.0, num_steps=3)
    ours = train.train(section, tmp_path / 'ours').state
    cases.assert_equal_bits(ours.autoencoder.params, theirs.autoencoder.params)
    cases.assert_equal_bits(ours.moments, theirs.moments)
    assert ours.step == ours.flow.step == 3
    assert info(tmp_path / 'ours')['init_from']['drawn'] == []
    # The first step of a rising learning rate is 0, and the second is that of the flow.
    pair = (jax.tree.leaves(each.flow.network.params) for each in (ours, theirs))
    assert not all(map(np.array_equal, *pair))
    # Without a network to guide by, it takes everything else.
    section = child(flow, folder / 'flow', early=0.0)
    state, record = first_state(section, folder / 'flow')
    cases.assert_equal_bits(state.flow.ema, theirs.flow.ema)
    assert record['drawn'] == []


def test_a_run_is_enlarged_and_its_flow_stays_what_it_is(config, tmp_path):
    flow = {**config, 'method': cases.CONFIGS['latent_flow']}
    theirs = train.train(flow, tmp_path / 'flow').state
    options = {'autoencoder_fraction': 1.0, 'train_encoder': False, 'enlarge': 2}
    section = child(flow, tmp_path / 'flow', **options, num_steps=3)
    ours = train.train(section, tmp_path / 'ours').state
    assert info(tmp_path / 'ours')['init_from']['drawn'] == ['enlarger']
    cases.assert_equal_bits(ours.flow.ema, theirs.flow.ema)
    cases.assert_equal_bits(ours.flow.early, theirs.flow.early)
    cases.assert_equal_bits(ours.moments, theirs.moments)
    for changes, sentence in [
        ({'network': {'features': (10,), 'heads': 2}}, r'no flow\.ema that fits, .* there and'),
        ({'num_classes': 9}, r'no flow\.ema that fits, .* it has no flow\.ema\.params\.Embed_0'),
    ]:
        with pytest.raises(UserError, match=sentence):
            train.train(child(section, tmp_path / 'flow', **changes), tmp_path / 'other')


def test_an_autoencoder_that_is_not_trained_must_have_a_parent(config, parent, folder, tmp_path):
    flow = {**config, 'method': cases.CONFIGS['latent_flow']}
    train.train(flow, folder / 'flow')
    section = child(flow, folder / 'flow', autoencoder_fraction=0.0)
    with pytest.raises(UserError, match='takes its autoencoder from another run: set '):
        train.train({**section, 'init_from': ''}, tmp_path / 'none')
    other = child(section, folder / 'flow', autoencoder={'features': (4, 5)})
    with pytest.raises(UserError, match=r'no autoencoder that fits, .* there and .* here'):
        train.train(other, tmp_path / 'none')
    with pytest.raises(UserError, match=r'no network that fits: the parent .*: name another p'):
        train.train({**section, 'init_from': str(parent)}, tmp_path / 'none')
    assert not (tmp_path / 'none').exists()


def test_a_config_without_the_option_is_one_that_has_no_parent(config, parent):
    assert train.train({**config, 'init_from': ''}, parent).finished
    with pytest.raises(UserError, match=r"init_from \(there '', now 'elsewhere'\)"):
        train.train({**config, 'init_from': 'elsewhere'}, parent)
