"""The evaluator trains the generator: phases, guidance, references, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import methods
from imggen.errors import UserError
from imggen.methods.evaluator import calibration, references
from tests.helpers import cases

KEY = jax.random.key(5)
TINY = {
    'name': 'evaluator',
    'num_steps': 6,
    'evaluator': {'features': 4, 'code_size': 4},
    'generator': {'features': 4},
    'latent_size': 4,
}
FEATURES = {'guidance': 'features', 'num_epochs': 2, 'reference_epochs': 2}
DIVERSITY = {'guidance': 'features', 'reference_epochs': 0, 'diversity': 0.5}


def start(**changes):
    method, batch = methods.make({**TINY, **changes}), cases.source().batch(0)
    return method, batch, jax.jit(method.init)(jax.random.key(0), (), batch)


def changed(before, after):
    pairs = zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
    return any(not jnp.array_equal(a, b) for a, b in pairs)


def test_each_phase_changes_its_own_part_of_the_state():
    method, batch, state = start(guidance='reference')
    changes = {}
    for phase in method.phases:
        new, _ = jax.jit(phase.step)(KEY, state, (), batch)
        changes[phase.name] = [
            name
            for name in ('evaluator', 'generator', 'ema', 'histograms')
            if changed(getattr(state, name), getattr(new, name))
        ]
        assert new.step == state.step + 1
        state = new
    assert changes == {
        'evaluator': ['evaluator'],
        'calibrate': ['histograms'],
        'generator': ['generator', 'ema'],
    }


def test_later_phases_under_pmap_give_what_jit_gives():
    """The tests of all methods cover the first phase. Here pairs of images cross devices."""
    method, batch, state = start(**DIVERSITY)
    mapped = methods.make({**TINY, **DIVERSITY}, axis_name='devices')
    pieces = jax.tree.map(lambda leaf: leaf.reshape(4, -1, *leaf.shape[1:]), batch)
    for phase, other in zip(method.phases[1:], mapped.phases[1:], strict=True):
        expected, metrics = jax.jit(phase.step)(KEY, state, (), batch)
        step = jax.pmap(other.step, axis_name='devices', in_axes=(None, None, None, 0))
        states, mapped_metrics = jax.device_get(step(KEY, state, (), pieces))
        for device in (0, 3):
            actual = jax.tree.map(lambda leaf, device=device: leaf[device], states)
            cases.assert_close(actual, expected, rtol=2e-3, atol=5e-4)
        for metric, value in metrics.items():
            np.testing.assert_allclose(
                mapped_metrics[metric][0], value, rtol=2e-3, atol=1e-5, err_msg=metric
            )
        state = expected


def test_the_evaluator_does_not_learn_from_held_out_images():
    method, batch, state = start()
    pixels = np.zeros(batch['image'].shape, np.uint8)
    pixels[:, 0, 0, 0] = 10 * np.arange(len(pixels))  # Sums that are multiples of ten.
    images = 2.0 * pixels / 255.0 - 1.0
    held_out = {'image': jnp.asarray(images, jnp.float32)}
    new, _ = jax.jit(method.phases[0].step)(KEY, state, (), held_out)
    assert not changed(state.evaluator.params, new.evaluator.params)
    pixels[0, 0, 1, 0] = 1
    learned = {'image': jnp.asarray(2.0 * pixels / 255.0 - 1.0, jnp.float32)}
    new, _ = jax.jit(method.phases[0].step)(KEY, state, (), learned)
    assert changed(state.evaluator.params, new.evaluator.params)


def test_the_threshold_comes_from_held_out_images_if_there_are_any():
    method, _, state = start(false_reject_rate=0.0)
    everything = calibration.count(jnp.array([0.5]), jnp.ones(1))
    held_out = calibration.count(jnp.array([0.1]), jnp.ones(1))
    both = state.replace(histograms=jnp.stack([everything + held_out, held_out]))
    none = state.replace(histograms=jnp.stack([everything, jnp.zeros_like(held_out)]))
    np.testing.assert_allclose(method.threshold(both), 0.1, rtol=0.03)
    np.testing.assert_allclose(method.threshold(none), 0.5, rtol=0.03)


def test_energies_are_one_reconstruction_error_per_image():
    method, batch, state = start()
    energies = jax.jit(method.energy)(state, batch['image'])
    assert energies.shape == (cases.BATCH_SIZE,) and float(energies.min()) > 0
    few = jax.jit(method.energy)(state, batch['image'][2:4])
    np.testing.assert_allclose(few, energies[2:4], rtol=1e-5)


def test_a_generator_whose_images_pass_learns_nothing():
    method, batch, state = start()
    generous = jnp.zeros_like(state.histograms).at[:, -1].set(1.0)
    state = state.replace(histograms=generous)
    new, metrics = jax.jit(method.phases[2].step)(KEY, state, (), batch)
    assert metrics['accepted'] == 1.0 and metrics['generator_gradient'] == 0.0
    cases.assert_equal_bits(new.generator.params, state.generator.params)


def test_references_take_turns_in_equal_epochs():
    turns = [int(references.turn(jnp.int32(step), 100, 50, 10)) for step in range(100)]
    assert turns == sorted(turns)
    assert [turns.count(turn) for turn in range(5)] == [20] * 5
    # Epochs of a fractional number of steps, and a last reference that is cut short.
    turns = [int(references.turn(jnp.int32(step), 7, 5, 2)) for step in range(7)]
    assert set(turns) == set(range(references.count(5, 2))) and turns == sorted(turns)


def test_references_are_drawn_or_named():
    images = jnp.arange(8.0)[:, None, None, None]
    drawn = references.pick(KEY, images, 5).ravel().tolist()
    assert len(set(drawn)) == 5
    assert references.pick(jax.random.key(6), images, 5).ravel().tolist() != drawn
    assert references.pick(KEY, images, 3, places=(7, 0, 2)).ravel().tolist() == [7, 0, 2]


def test_the_current_reference_is_imitated():
    config = {'guidance': 'reference', 'num_epochs': 2, 'reference_epochs': 1, 'num_steps': 22}
    method, batch, state = start(**config, references=(3, 1))
    first = method.phases[0].num_steps + method.phases[1].num_steps
    half = method.phases[2].num_steps // 2
    step = jax.jit(method.phases[2].step)

    def loss(at, **changes):
        before = state.replace(step=jnp.int32(at), **changes)
        return step(KEY, before, (), batch)[1]['generator_loss']

    np.testing.assert_array_equal(state.references, batch['image'][jnp.array([3, 1])])
    for at, current in ((first, 0), (first + half, 1)):
        other = state.references.at[1 - current].set(0.3)
        assert loss(at, references=other) == loss(at)
        assert loss(at, references=state.references.at[current].set(0.3)) != loss(at)


def test_one_reference_makes_one_image_and_diversity_many():
    """The weakness of the approach, and its cure, on images of two kinds."""
    kinds = jnp.where(jnp.arange(16) % 2 == 0, 0.7, -0.7)[:, None, None, None]
    batch = {'image': jnp.broadcast_to(kinds, (16, 8, 8, 1))}
    spread = {}
    for name, changes in (('features', FEATURES), ('diversity', DIVERSITY)):
        method = methods.make({**TINY, **changes, 'num_steps': 200, 'learning_rate': 5e-3})
        state = jax.jit(method.init)(jax.random.key(0), (), batch)
        first = method.phases[0].num_steps + method.phases[1].num_steps
        state = state.replace(
            step=jnp.int32(first)
        )  # The features of an untrained evaluator suffice.
        step = jax.jit(method.phases[2].step)
        for index in range(method.phases[2].num_steps):
            state, _ = step(jax.random.fold_in(KEY, index), state, (), batch)
        image_keys = jax.random.split(KEY, 64)
        made = jax.jit(method.sample)(image_keys, state, (), batch)['generated']
        spread[name] = float(made.mean((1, 2, 3)).std())
    assert spread['features'] < 0.2
    assert spread['diversity'] > 0.4


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'num_epochs': 50, 'reference_epochs': 60}, 'reference_epochs=60 must be between 0 and'),
        ({'reference_epochs': -1}, 'reference_epochs=-1 must be between 0 and'),
        ({'false_reject_rate': 1.0}, 'the threshold would reject every image'),
        ({'guidance': 'praise'}, "guidance='praise' is not a valid choice"),
        ({'evaluator_network': 'tree'}, "evaluator_network='tree' is not a valid choice"),
        (
            {'evaluator_network': 'cnn', 'guidance': 'reference'},
            "evaluator_network='cnn' outputs no image",
        ),
        ({'features': 'alexnett'}, "config.method.features='alexnett' is not a valid choice"),
        ({'num_steps': 2}, 'leaves no step for the generator'),
        ({'diversity': -1.0}, 'diversity=-1.0: set it to 0 or more'),
    ],
)
def test_impossible_options_get_one_sentence(changes, message):
    with pytest.raises(UserError, match=message):
        methods.make({**TINY, **changes})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'num_epochs': 9, 'reference_epochs': 1}, 'needs 9 references'),
        ({'num_epochs': 2, 'reference_epochs': 1, 'references': (0, 8)}, 'must name 2 images'),
        ({'num_epochs': 2, 'reference_epochs': 1, 'references': (0,)}, 'must name 2 images'),
    ],
)
def test_missing_references_get_one_sentence(changes, message):
    method = methods.make({**TINY, 'guidance': 'reference', **changes})
    with pytest.raises(UserError, match=message):
        jax.eval_shape(method.init, KEY, (), cases.source().batch(0))
