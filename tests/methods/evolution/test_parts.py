"""Parts of evolution: objectives, tallies, moves, variation, archives, and error messages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from imggen import methods
from imggen.errors import UserError
from imggen.methods.evolution import (
    archive,
    classifiers,
    encodings,
    moves,
    objectives,
    problem,
    tally,
    variation,
)
from imggen.workdir.restore import Restored
from tests.helpers import cases

SHAPE = (12, 10, 1)


def over_keys(function, count, *, seed=0):
    """Maps key -> pytree over `count` keys and returns host arrays."""
    return jax.device_get(
        jax.jit(jax.vmap(function))(jax.random.split(jax.random.key(seed), count))
    )


# XLA flushes subnormal numbers to zero.
_LOGITS = st.floats(-30, 30, width=32, allow_subnormal=False)


@given(arrays(np.float32, (3, 5), elements=_LOGITS), st.integers(0, 4))
@settings(max_examples=30, deadline=None)
def test_objectives_are_functions_of_the_probability(logits, target):
    exact = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    others = np.delete(exact, target, axis=1).sum(-1)
    odds = np.log(exact[:, target]) - np.log(others)
    wanted = jnp.full(3, target)
    np.testing.assert_allclose(objectives.log_odds(logits, wanted), odds, atol=1e-4, rtol=1e-5)
    np.testing.assert_allclose(
        objectives.probability(logits, wanted), exact[:, target] / exact.sum(-1), atol=1e-6
    )
    np.testing.assert_allclose(
        objectives.log_probability(logits, wanted),
        np.log(exact[:, target] / exact.sum(-1)),
        atol=1e-4,
        rtol=1e-5,
    )
    np.testing.assert_array_equal(objectives.logit(logits, wanted), logits[:, target])
    each = np.stack([objectives.log_odds(logits, jnp.full(3, c)) for c in range(5)], -1)
    np.testing.assert_allclose(objectives.log_odds_of_each(logits), each, atol=1e-4, rtol=1e-5)
    margin = logits[:, target] - np.delete(logits, target, axis=1).max(-1)
    np.testing.assert_allclose(objectives.margin(logits, wanted), margin, rtol=1e-6, atol=1e-6)


def test_log_odds_distinguish_images_whose_probabilities_are_one():
    logits = jnp.array([[30.0, 0.0], [40.0, 0.0]])
    target = jnp.zeros(2, jnp.int32)
    assert float(jnp.ptp(objectives.probability(logits, target))) == 0.0
    np.testing.assert_allclose(objectives.log_odds(logits, target), [30.0, 40.0])


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_tally_counts_the_evaluation_that_passed_first(seed):
    generator = np.random.default_rng(seed)
    probabilities = 1 - 10.0 ** generator.uniform(
        -5, 0, (4, 2, 3)
    )  # [generations, chains, images].
    count = tally.start((2,))
    for generation in probabilities:
        count = tally.count(count, jnp.log(generation) - jnp.log1p(-generation))
    assert count.evaluations.tolist() == [12, 12]
    for chain in range(2):
        order = probabilities[:, chain].reshape(-1)
        for index, threshold in enumerate(tally.THRESHOLDS):
            # Skip values at the threshold, which float32 may put on either side.
            if np.any(np.abs(order - threshold) < 1e-3 * (1 - threshold)):
                continue
            passed = np.flatnonzero(order >= threshold)
            expected = passed[0] + 1 if len(passed) else tally.NEVER
            assert count.first[chain, index] == expected


def test_pixels_change_the_given_number_of_places():
    image = jnp.full(SHAPE, 5.0)  # Outside the range of a move's values.
    changed = over_keys(lambda key: moves.Pixels(3, 9)(key, image) != 5.0, 2000)
    numbers = changed.sum((1, 2, 3))
    # A place drawn twice changes once.
    assert numbers.max() == 9
    assert 1 <= numbers.min() <= 3
    places = 120 * (1 - (1 - 1 / 120) ** np.arange(3, 10))
    np.testing.assert_allclose(numbers.mean(), places.mean(), atol=0.15)
    share = changed.mean(0)
    np.testing.assert_allclose(share, share.mean(), atol=5 * np.sqrt(share.mean() / 2000))


def test_pixels_get_uniform_values():
    image = jnp.full(SHAPE, 5.0)
    values = over_keys(lambda key: moves.Pixels(60, 60)(key, image), 200)
    values = values[values != 5.0]
    assert values.min() >= -1.0
    assert values.max() <= 1.0
    histogram = np.histogram(values, 8, range=(-1, 1))[0] / len(values)
    np.testing.assert_allclose(histogram, 1 / 8, atol=0.02)


def test_inverse_inverts_one_rectangle_and_is_its_own_inverse():
    image = jax.random.uniform(jax.random.key(1), SHAPE, minval=0.1, maxval=1.0)
    move = moves.Inverse(4)
    once = over_keys(lambda key: move(key, image), 300)
    twice = over_keys(lambda key: move(key, move(key, image)), 300)
    np.testing.assert_array_equal(twice, np.broadcast_to(image, twice.shape))
    areas = set()
    for changed in once[..., 0] < 0:
        rows, columns = np.nonzero(changed)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert changed.sum() == height * width  # A full rectangle.
        assert max(height, width) <= 4
        areas.add((height, width))
    assert (1, 1) in areas
    assert (4, 4) in areas


def test_sketch_draws_a_line_of_one_value_without_gaps():
    image = jnp.full(SHAPE, 5.0)
    drawn = over_keys(lambda key: moves.Sketch(3.0)(key, image), 300)[..., 0]
    for picture in drawn:
        line = picture != 5.0
        assert line.any()
        assert len(np.unique(picture[line])) == 1
        assert -1.0 <= picture[line][0] <= 1.0
        assert _is_connected(line)


def test_sketch_draws_in_color():
    drawn = over_keys(lambda key: moves.Sketch(3.0)(key, jnp.full((12, 10, 3), 5.0)), 20)
    for picture in drawn:
        (color,) = np.unique(picture[picture[..., 0] != 5.0], axis=0)
        assert len(np.unique(color)) == 3


def _is_connected(mask):
    left = {tuple(place) for place in np.argwhere(mask)}
    stack = [left.pop()]
    while stack:
        row, column = stack.pop()
        near = {(row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & left
        left -= near
        stack += near
    return not left


def test_mutation_has_its_published_width():
    genome = jnp.zeros(200)
    mutated = over_keys(lambda key: variation.mutate(key, genome, rate=0.1, eta=15.0), 2000)
    changed = mutated != 0.0
    np.testing.assert_allclose(changed.mean(), 0.1, atol=0.003)
    # E|d| = 1 / 17, times the width 2 of the interval.
    np.testing.assert_allclose(np.abs(mutated[changed]).mean(), 2 / 17, rtol=0.02)
    np.testing.assert_allclose(mutated.mean(), 0.0, atol=0.001)


def test_mutation_stays_in_range():
    edge = jnp.ones(500)
    mutated = over_keys(lambda key: variation.mutate(key, edge, rate=0.5, eta=1.0), 20)
    assert mutated.max() == 1.0
    assert mutated.min() >= -1.0


def test_crossover_has_its_published_spread():
    first, second = jnp.full(400, -0.2), jnp.full(400, 0.6)

    def child(key, a, b):
        return variation.crossover(key, a, b, rate=1.0, eta=10.0)

    children = over_keys(lambda key: child(key, first, second), 200)
    # The spread b has the density 11/2 b^10 below 1 and 11/2 b^-12 above.
    spread = 2 * (children - 0.2) / -0.8
    np.testing.assert_allclose((spread < 1).mean(), 0.5, atol=0.01)
    np.testing.assert_allclose((spread < 0.9).mean(), 0.5 * 0.9**11, atol=0.01)
    np.testing.assert_allclose((spread > 1.2).mean(), 0.5 * 1.2**-11, atol=0.01)
    other = over_keys(lambda key: child(key, second, first), 200)
    # Two siblings have the sum of their parents.
    np.testing.assert_allclose(children + other, 0.4, atol=1e-5)
    same = over_keys(lambda key: variation.crossover(key, first, second, rate=0.0, eta=10.0), 5)
    np.testing.assert_array_equal(same, np.broadcast_to(first, same.shape))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_archive_keeps_the_best_of_every_cell(seed):
    generator = np.random.default_rng(seed)
    bins, classes = 3, 2
    best, cells = {}, archive.empty(bins * classes, 4)
    for _ in range(3):
        genomes = generator.normal(size=(5, 4)).astype(np.float32)
        odds = generator.normal(size=(5, classes)).astype(np.float32)
        where = generator.integers(0, bins - 1, 5)  # The last bin stays empty.
        parents = jnp.zeros((5, 2), jnp.int32)
        cells = archive.insert(
            cells, jnp.asarray(genomes), jnp.asarray(odds), jnp.asarray(where), parents
        )
        for child in range(5):
            for number in range(classes):
                cell = where[child] * classes + number
                if odds[child, number] > best.get(cell, (-np.inf, None))[0]:
                    best[cell] = (odds[child, number], genomes[child])
    for cell in range(bins * classes):
        if cell not in best:
            assert cells.odds[cell] == archive.EMPTY
            continue
        assert cells.odds[cell] == best[cell][0]
        np.testing.assert_array_equal(cells.genome[cell], best[cell][1])
    drawn = archive.draw_parents(jax.random.key(seed), cells, 50)
    assert set(drawn.tolist()) <= set(best)


def test_a_goal_switch_has_both_parents_in_cells_of_other_classes():
    """Two classes in two bins: cells 0 and 2 are of class 0, cells 1 and 3 of class 1."""
    cells = archive.empty(4, 1)
    genomes, where = jnp.zeros((1, 1)), jnp.zeros(1, jnp.int32)

    def insert(cells, odds, parents):
        return archive.insert(cells, genomes, jnp.array([odds]), where, jnp.array([parents]))

    cells = insert(cells, [0.0, 0.0], [archive.NO_PARENT] * 2)
    assert cells.champions.tolist() == [1, 1, 0, 0]
    assert cells.switches.tolist() == [0, 0, 0, 0]
    cells = insert(cells, [1.0, 1.0], [2, 0])  # Both parents of class 0.
    assert cells.champions.tolist() == [2, 2, 0, 0]
    assert cells.switches.tolist() == [0, 1, 0, 0]
    cells = insert(cells, [2.0, 2.0], [2, 1])  # A parent of either class: no switch.
    assert cells.switches.tolist() == [0, 1, 0, 0]
    cells = insert(cells, [1.0, 1.0], [1, 1])  # Not better.
    assert cells.champions.tolist() == [3, 3, 0, 0]
    assert cells.switches.tolist() == [0, 1, 0, 0]


def test_bins_follow_brightness_and_roughness():
    black, white = jnp.full((8, 8, 1), -1.0), jnp.full((8, 8, 1), 1.0)
    chess = jnp.where((jnp.arange(8)[:, None] + jnp.arange(8)[None]) % 2, 1.0, -1.0)[..., None]
    found = archive.descriptors(jnp.stack([black, white, chess]))
    np.testing.assert_allclose(found, [[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]])
    assert archive.bin_of(jnp.stack([black, white, chess]), (2, 4)).tolist() == [0, 4, 7]


def test_shipped_classifiers_know_the_classes():
    generator = np.random.default_rng(0)
    noise = jnp.asarray(generator.uniform(-1, 1, (2, 28, 28, 1)), jnp.float32)
    for name in ('convolutional', 'dense'):
        classifier = classifiers.load(name)
        assert classifier.logits(classifier.params, noise).shape == (2, len(classifier.class_names))
        (other,) = classifiers.others(classifier)
        assert other.architecture != classifier.architecture


def _hill_climb(**changes):
    problem = {'classifier': 'dense', **changes.pop('problem', {})}
    return methods.make({'name': 'hill_climb', 'num_steps': 1, 'problem': problem, **changes})


def test_class_names_may_come_from_a_shell():
    for names in (('Bag', 'Ankle boot'), ('Bag,Ankle_boot',), ('Bag, Ankle boot',)):
        made = problem.make({'classifier': 'dense', 'class_names': names})
        assert made.class_names == ('Bag', 'Ankle boot')
        assert made.labels.tolist() == [8, 9]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'problem': {'class_names': ('Pulover',)}},
            "no class 'Pulover'; the nearest are 'Pullover', ('[^']+'(, )?){4}",
        ),
        ({'problem': {'class_names': ('Bag', 'Coat', 'Bag')}}, "has 'Bag' twice"),
        (
            {'problem': {'classifier': 'runs/nowhere'}},
            "neither one of 'convolutional', 'dense', 'lite0', 'lite1', 'lite2' nor a run",
        ),
        ({'problem': {'encoding': 'runs/nowhere'}}, "neither 'pixels' nor 'cppn' nor .* a trained"),
        ({'problem': {'encoding': 'fourier'}}, "'fourier' makes images in color"),
        ({'problem': {'image_size': 32}}, "image_size=32: the classifier 'dense' takes only"),
        ({'problem': {'input_size': 32}}, "input_size=32: the classifier 'dense' takes only"),
        ({'moves': {'few_pixel': {}}}, "did you mean 'few_pixels'"),
        (
            {'moves': {'few_pixels': {'least': 1, 'most': 2, 'wieght': 1}}},
            'wieght is not an option',
        ),
        ({'moves': {'sketch': {'weight': 0.0, 'max_width': 1.0}}}, 'has no move'),
        (
            {'problem': {'encoding': 'cppn'}, 'moves': {'sketch': {'max_width': 1.0}}},
            'moves.sketch changes pixels',
        ),
        ({'temperature': 0.0}, 'temperature=0.0 must be above 0'),
        ({'acceptance': 'gready'}, "did you mean 'greedy'"),
        ({'order': 'random'}, "order='random' is not a valid choice"),
    ],
)
def test_mistakes_get_one_sentence(changes, message):
    with pytest.raises(UserError, match=message) as raised:
        _hill_climb(**changes)
    assert '\n' not in str(raised.value)


def test_a_strategy_refuses_a_population_that_does_not_fit():
    for name, size in (('open_es', 5), ('differential', 3)):
        config = {'name': 'evolution_strategy', 'num_steps': 1, 'problem': {'classifier': 'dense'}}
        with pytest.raises(UserError, match=f'population_size={size} does not fit {name}'):
            methods.make({**config, 'strategy': name, 'population_size': size})


def test_latents_of_a_conditional_generator_are_refused(monkeypatch):
    """Its images depend on a class too, which would be drawn anew wherever a genome is decoded."""
    method = cases.method('gan_perceptron')
    restored = Restored({}, method, None, 0, {}, None)
    monkeypatch.setattr(encodings, 'restore', lambda workdir, make: restored)
    with pytest.raises(UserError, match='runs/classes is conditioned on a class'):
        encodings.make('runs/classes', (8, 8, 1), latent_limit=1.0)
