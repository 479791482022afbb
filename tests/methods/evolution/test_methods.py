"""Searches from end to end: their chains, counts and images, and their measures."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P
from PIL import Image

from imggen import data, devices, methods
from imggen.errors import UserError
from imggen.evaluation import evolution, searches
from imggen.inference import load, sampling
from imggen.methods.evolution import archive, objectives, tally
from imggen.methods.evolution import problem as problems
from imggen.report import evolution_page
from imggen.training import loop, train
from imggen.workdir import reader
from imggen.workdir.records import NO_RECORDS
from tests.helpers import cases

BAG = {'classifier': 'dense', 'class_names': ('Bag',)}
FEW = {'few_pixels': {'least': 1, 'most': 20}}


def climb(**changes):
    config = {'name': 'hill_climb', 'num_steps': 30, 'problem': BAG, 'moves': FEW}
    return methods.make({**config, **changes})


def run(method, *, count=1, seed=0):
    """Returns the state after the whole run, and one record per step."""
    records = []
    mesh = devices.make_mesh(devices=jax.devices()[:count])
    source = data.make({'name': 'none'}, seed=seed)
    result = loop.run(
        method, source, seed=seed, mesh=mesh, log_every_steps=1, observers=[records.append]
    )
    return jax.device_get(result.state), records


def test_greedy_chains_never_get_worse_and_count_their_evaluations():
    state, records = run(climb(chains_per_class=8))
    odds = [record.metrics['log_odds'] for record in records]
    assert np.all(np.diff(odds) >= -1e-6)
    assert odds[-1] > odds[0] + 0.5
    assert state.tally.evaluations.tolist() == [31] * 8
    kept = sum(record.metrics['accepted'] for record in records)
    np.testing.assert_allclose(state.improvements.mean(), kept, rtol=1e-6)


def test_equal_seeds_give_equal_images_and_others_do_not():
    one, again, other = (run(climb(num_steps=5), seed=seed)[0] for seed in (0, 0, 1))
    cases.assert_equal_bits(again, one)
    assert not np.allclose(other.genome, one.genome)


def test_a_chain_takes_the_same_path_in_a_population_of_any_size():
    few, _ = run(climb(num_steps=10, chains_per_class=2))
    many, _ = run(climb(num_steps=10, chains_per_class=8), count=4)
    np.testing.assert_allclose(many.genome[:2], few.genome, atol=1e-6)
    np.testing.assert_array_equal(many.improvements[:2], few.improvements)


def test_a_sequence_evaluates_every_move_and_knows_the_log_odds_of_its_images():
    moves = {**FEW, 'many_pixels': {'least': 30, 'most': 200}}
    method = climb(moves=moves, order='sequence', chains_per_class=16)
    state, _ = run(method)
    assert state.tally.evaluations[0] == 61
    evaluated = problems.make(BAG)
    logits = evaluated.genome_logits(method.frozen, state.genome)
    np.testing.assert_allclose(objectives.log_odds(logits, state.target), state.odds, atol=1e-4)


def test_a_target_probability_is_reached_and_not_exceeded():
    moves = {'few_pixels': {'least': 1, 'most': 20, 'target': 0.8}}
    state, _ = run(
        climb(num_steps=300, moves=moves, acceptance='target_probability', chains_per_class=4)
    )
    np.testing.assert_allclose(1 / (1 + np.exp(-state.odds)), 0.8, atol=0.02)


def test_annealing_accepts_worse_images_while_it_is_hot():
    state, records = run(climb(acceptance='annealing', temperature=1e3, temperature_end=1e3))
    assert records[0].metrics['accepted'] == 1.0
    assert state.improvements.tolist() == [30]
    cold, _ = run(climb(acceptance='annealing', temperature=1e-6, temperature_end=1e-6))
    greedy, _ = run(climb())
    np.testing.assert_array_equal(cold.genome, greedy.genome)


def test_unnormalized_input_makes_the_classifier_certain_of_noise():
    noise = jax.random.uniform(jax.random.key(0), (20, 784), minval=-1.0)
    confidences = []
    for normalized in (True, False):
        evaluated = problems.make({'classifier': 'dense', 'normalized': normalized})
        answers = jax.nn.softmax(evaluated.genome_logits(evaluated.frozen, noise))
        confidences.append(float(jnp.median(answers.max(-1))))
    assert confidences[0] < 0.9
    assert confidences[1] > 0.9999


@pytest.mark.parametrize('strategy', ['open_es', 'snes', 'sep_cma_es', 'genetic', 'differential'])
def test_strategies_improve_on_their_first_generation(strategy):
    options = {'num_steps': 12, 'population_size': 8, 'scale': 0.2, 'chains_per_class': 4}
    config = {'name': 'evolution_strategy', 'strategy': strategy, 'problem': BAG, **options}
    state, records = run(methods.make(config))
    odds = [record.metrics['log_odds'] for record in records]
    assert odds[-1] > odds[0]
    assert np.all(np.diff(odds) >= 0)  # The best so far.
    first = 8 if strategy in ('genetic', 'differential') else 1
    assert state.tally.evaluations.tolist() == [first + 12 * 8] * 4
    assert np.abs(state.genome).max() <= 1.0


def test_cma_es_searches_the_weights_of_a_network():
    problem = {**BAG, 'encoding': 'cppn'}
    config = {'name': 'evolution_strategy', 'strategy': 'cma_es', 'problem': problem}
    state, records = run(methods.make({**config, 'num_steps': 3, 'population_size': 8}))
    assert records[-1].metrics['log_odds'] >= records[0].metrics['log_odds']
    assert state.genome.shape == (1, 336)


def test_elites_are_scored_for_every_class():
    config = {'name': 'map_elites', 'num_steps': 6, 'initial': 16, 'children': 16}
    method = methods.make({**config, 'archives': 2, 'problem': {'classifier': 'dense'}})
    state, records = run(method)
    assert state.archive.odds.shape == (2, 10)
    assert np.all(state.archive.odds > archive.EMPTY)
    probabilities = [record.metrics['probability'] for record in records]
    assert np.all(np.diff(probabilities) >= 0)
    assert state.tally.evaluations.tolist() == [16 + 6 * 16] * 2
    assert records[-1].metrics['coverage'] == 1.0


def test_gradients_ascend():
    config = {'name': 'gradient_ascent', 'num_steps': 15, 'chains_per_class': 2, 'problem': BAG}
    priors = {'jitter_pixels': 1, 'total_variation': 1.0, 'l2': 1e-3, 'noise': 1e-3}
    for options in ({}, priors):
        state, records = run(methods.make({**config, **options}))
        assert records[-1].metrics['log_odds'] > records[0].metrics['log_odds'] + 3.0
        assert state.tally.evaluations.tolist() == [31, 31]
        assert np.all(state.tally.first[:, 0] % 2 == 1)  # Only the chain's own image passes.


def test_a_population_that_does_not_divide_by_the_devices_is_refused():
    assert climb().state_spec == P('data')
    with pytest.raises(UserError, match='population of 3 is not a multiple of the 2 devices'):
        run(climb(chains_per_class=3), count=2)


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    """A workdir of a short hill climb, 2 chains for each of 4 classes."""
    workdir = tmp_path_factory.mktemp('runs') / 'climb'
    config = {
        'seed': 0,
        'data': {'name': 'none'},
        'method': {
            'name': 'hill_climb',
            'num_steps': 40,
            'chains_per_class': 2,
            'moves': FEW,
            'problem': {'classifier': 'dense', 'class_names': ('Bag', 'Coat', 'Dress', 'Shirt')},
        },
        'run': {'log_every_steps': 10, 'sample_every_steps': 10, 'num_samples': 64},
    }
    train.train(config, workdir)
    return workdir


def test_samples_are_the_images_of_the_state_one_by_one(finished):
    restored = load.load(finished)
    key = jax.random.key(0)
    chunks = list(sampling.generate(key, restored, 7, batch_size=4))
    images = np.concatenate([chunk['generated'] for chunk in chunks])
    expected = np.asarray(restored.state.genome)[:7].reshape(7, 28, 28, 1)
    np.testing.assert_allclose(images, expected, atol=1e-6)
    with pytest.raises(UserError, match='holds 8 images, not 9'):
        next(sampling.generate(key, restored, 9))


def test_measures_agree_with_the_state(finished):
    restored = load.load(finished)
    values = evolution.measure(restored, num_images=100, seed=0)
    json.dumps(values, allow_nan=False)
    assert values['evaluations'] == 41
    first = np.asarray(restored.state.tally.first)[:, 0]
    np.testing.assert_allclose(values['success_0.5'], np.mean(first != tally.NEVER))
    assert 0.0 < values['total_variation'] < 4.0
    assert 1.0 < values['nearest_distance'] < 28.0
    odds = np.asarray(restored.state.odds)
    # Rounding to 8 bits changes the images slightly.
    np.testing.assert_allclose(values['probability'], (1 / (1 + np.exp(-odds))).mean(), atol=0.02)
    found = evolution.find(restored, num_images=100)
    assert list(evolution.by_class(found)) == ['Bag', 'Coat', 'Dress', 'Shirt']
    assert len(evolution.pool([found, found]).images) == 16


def test_quartiles_count_chains_that_never_passed_as_last():
    assert evolution.quartiles(np.array([5, 1, tally.NEVER, 3])) == (1.0, 3.0, 5.0)
    never = np.array([4, tally.NEVER, tally.NEVER, tally.NEVER])
    assert evolution.quartiles(never) == (4.0, np.inf, np.inf)


def test_empty_cells_of_an_archive_are_not_measured(tmp_path):
    config = {
        'seed': 0,
        'data': {'name': 'none'},
        'method': {
            'name': 'map_elites',
            'num_steps': 2,
            'archives': 4,
            'initial': 8,
            'children': 8,
            'bins': (2, 2),
            'problem': {'classifier': 'dense', 'class_names': ('Bag', 'Coat')},
        },
        'run': {'log_every_steps': 1},
    }
    train.train(config, tmp_path)
    restored = load.load(tmp_path)
    filled = np.asarray(restored.state.archive.odds) > archive.EMPTY
    assert 0 < filled.sum() < filled.size
    values = evolution.measure(restored, num_images=100, seed=0)
    np.testing.assert_allclose(values['coverage'], filled.mean())
    champions = np.asarray(restored.state.archive.champions)
    np.testing.assert_allclose(values['champions'], champions.mean())
    assert np.all((champions > 0) == filled)
    assert 0.0 <= values['goal_switches'] < values['champions']
    assert len(evolution.find(restored, num_images=100).images) == filled.sum()


def test_a_page_shows_targets_judges_and_growth(finished, tmp_path):
    restored = load.load(finished)
    for count in (8, 3):  # The second page replaces the first.
        page = evolution_page.write(restored, finished, tmp_path, num_images=count)
    text = page.read_text()
    shown = re.findall(r'<strong>(\w+)</strong>', text)
    found = evolution.find(restored, num_images=8)
    best = np.argsort(-found.probability, kind='stable')[:3]
    assert shown == [found.class_names[index] for index in found.target[best]]
    assert re.findall(r'dense (0\.\d{3})', text) == [f'{found.probability[i]:.3f}' for i in best]
    assert len(re.findall(r'convolutional 0\.\d{3} \(\d+\)', text)) == 3
    files = {path.name for path in tmp_path.iterdir()}
    assert files == {
        'index.html',
        *(f'0000{i}_{kind}' for i in range(3) for kind in ('picture.png', 'growth.gif')),
    }
    with Image.open(tmp_path / '00000_growth.gif') as film:
        assert film.n_frames >= 2


def test_evolution_of_latents_makes_images_with_the_generator(tmp_path):
    generator = {
        'seed': 0,
        'data': {'name': 'fashion_mnist', 'batch_size': 4, 'max_examples': 100},
        'method': {
            'name': 'gan',
            'num_steps': 2,
            'network': 'perceptron',
            'generator': {'features': (8,)},
            'discriminator': {'features': (4,), 'pieces': 2},
            'latent_size': 4,
        },
        'run': {'log_every_steps': 2},
    }
    train.train(generator, tmp_path)
    problem = {**BAG, 'encoding': str(tmp_path)}
    config = {'name': 'hill_climb', 'num_steps': 3, 'problem': problem}
    method = methods.make(config)
    state, _ = run(method)
    assert state.genome.shape == (1, 4)
    held = jax.jit(method.sample)(None, state, method.frozen, {'index': jnp.zeros(1, jnp.int32)})
    restored = load.load(tmp_path)
    keys = jax.random.split(jax.random.key(0), 1)
    batch = {**restored.batch, 'latent': state.genome}
    made = jax.jit(restored.method.sample)(keys, restored.state, (), batch)['generated']
    np.testing.assert_allclose(held['generated'], made, atol=1e-5)


def test_table_and_gallery_show_a_run(finished, tmp_path):
    import subprocess
    import sys

    def call(*arguments):
        return subprocess.run(
            [sys.executable, '-m', *arguments], capture_output=True, text=True, check=True
        ).stdout

    table = call('experiments.studies.evolve_table', f'--folder={finished.parent}')
    rows = [line.split(' | ') for line in table.splitlines() if 'hill_climb' in line]
    assert [row[1] for row in rows] == ['Bag', 'Coat', 'Dress', 'Shirt', 'all']
    assert [row[2] for row in rows] == ['1 x 2'] * 4 + ['1 x 8']
    call('experiments.studies.evolve_gallery', str(finished), f'--output={tmp_path}')
    assert {path.name for path in tmp_path.iterdir()} == {
        'climb',
        'classes.png',
        'strip.png',
        'evolution.gif',
    }


def test_a_gallery_refuses_before_it_classifies_and_names_the_run_that_differs(finished):
    run = load.load(finished)
    problem = {**run.config['method']['problem'], 'class_names': ('Bag', 'Coat')}
    other = run._replace(config={'method': {**run.config['method'], 'problem': problem}})
    searches.check_alike(['first', 'second'], [run, run])
    with pytest.raises(UserError, match=r'second differs from first in its classes \(\[.*: show'):
        searches.check_alike(['first', 'second'], [run, other])


def test_a_table_names_a_search_by_what_differs_among_its_own_method():
    methods = [
        {'name': 'hill_climb', 'order': 'sequence', 'seed': 1, 'num_steps': 9},
        {'name': 'hill_climb', 'order': 'random', 'seed': 1, 'num_steps': 9},
        {'name': 'gradient_ascent', 'rate': 0.1, 'num_steps': 3},
    ]
    runs = [reader.Run(None, '', {'method': method}, {}, NO_RECORDS, [], []) for method in methods]
    named = searches.names(runs)
    assert named == ['hill_climb order=sequence', 'hill_climb order=random', 'gradient_ascent']
