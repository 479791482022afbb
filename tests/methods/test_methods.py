"""What every method promises: the same result however it is cut, compiled or spread."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from imggen import devices, keys
from imggen.errors import UserError
from imggen.training import loop
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases

NAMES = list(cases.CONFIGS)


@functools.cache
def traced_once(name):
    """Returns a method whose runs share the traces of its functions, and its batches."""
    method = cases.method(name)
    init, *steps = (
        jax.jit(function, inline=True)
        for function in (method.init, *(phase.step for phase in method.phases))
    )
    phases = [phase._replace(step=step) for phase, step in zip(method.phases, steps, strict=True)]
    return method._replace(init=init, phases=tuple(phases)), cases.source_for(name)


def run(name, *, mesh=None, **options):
    return loop.run(
        *traced_once(name),
        seed=0,
        mesh=mesh or devices.make_mesh(devices=jax.devices()[:1]),
        **options,
    )


# The tests of one method run in one process, where they share its uninterrupted run.
EACH = pytest.mark.parametrize(
    'name', [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES]
)


# How a method is spread over devices does not depend on its networks and losses: the first case
# of each method, and the cases whose state or augmentation depends on another network, are enough.
FIRST = {cases.CONFIGS[name]['name']: name for name in reversed(NAMES)}.values()
SPREAD = pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=pytest.mark.xdist_group(name))
        for name in NAMES
        if name in (*FIRST, 'gan_adaptive', 'latent_flow_enlarged')
    ],
)


@functools.cache
def uninterrupted(name):
    """Returns the end of a run on one device, its state after each step, and its records."""
    states, records = [], []
    look = loop.StateHook(1, lambda step, phase, state, _: states.append(jax.device_get(state)))
    whole = run(name, log_every_steps=1, hooks=[look], observers=[records.append])
    return whole, states, records


@EACH
def test_restored_run_equals_uninterrupted_bit_for_bit(name, tmp_path):
    whole, states, _ = uninterrupted(name)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(3, states[2])
    resumed = run(name, log_every_steps=4, restore=lambda like: (3, checkpoints.restore(like)))
    assert resumed.step == whole.step == 6
    cases.assert_equal_bits(resumed.state, whole.state)


# Under `jit` XLA splits the program, whatever the method is: batch statistics, phases, a
# population, and images that are optimized. What methods do themselves is tested under `pmap`.
@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=pytest.mark.xdist_group(name))
        for name in ('gan_adaptive', 'evaluator', 'hill_climb', 'style')
    ],
)
def test_four_devices_give_the_parameters_of_one(name):
    one, _, _ = uninterrupted(name)
    four = run(name, mesh=devices.make_mesh())
    assert len(jax.tree.leaves(four.state)[-1].sharding.device_set) == 4
    # Adam divides by the root of tiny second moments in its first steps, which
    # magnifies the rounding of sums taken in another order.
    cases.assert_close(jax.device_get(four.state), jax.device_get(one.state), rtol=2e-2, atol=1e-3)


@SPREAD
def test_pmap_gives_what_jit_gives(name):
    # The second step, which the uninterrupted run has compiled.
    _, (state, expected, *_), (_, record, *_) = uninterrupted(name)
    method = cases.method(name, axis_name='devices')
    key = jax.random.fold_in(keys.stream(0, 'loop'), 1)

    def cut(tree):
        return jax.tree.map(lambda leaf: leaf.reshape(4, -1, *leaf.shape[1:]), tree)

    # A state whose leaves lead with an image axis is cut as the batch is.
    is_cut = method.state_spec != P()
    in_axes = (None, 0 if is_cut else None, None, 0)
    step = jax.pmap(method.phases[0].step, axis_name='devices', in_axes=in_axes)
    batch = cut(cases.source_for(name).batch(1))
    # On the host, a slice is a view. On four devices it is a program of all four, and XLA's CPU
    # client waits forever if more than 32 such programs follow one with a collective: the last of
    # them holds the thread that the collective needs.
    states, metrics = jax.device_get(
        step(key, cut(state) if is_cut else state, method.frozen, batch)
    )
    for device in range(4):
        actual = jax.tree.map(lambda leaf, device=device: leaf[device], states)
        wanted = expected
        if is_cut:
            wanted = jax.tree.map(lambda leaf, device=device: leaf[device], cut(expected))
        cases.assert_close(actual, wanted, rtol=1e-3, atol=2e-4)
    for metric, value in record.metrics.items():
        np.testing.assert_allclose(metrics[metric][0], value, rtol=2e-3, atol=1e-5, err_msg=metric)


def test_compiled_step_equals_the_step_as_written():
    name = 'vae'  # Op by op, the others would take minutes.
    method, batch, key = cases.method(name), cases.source().batch(0), jax.random.key(5)
    state = jax.jit(method.init)(key, (), batch)
    compiled, _ = jax.jit(method.phases[0].step)(key, state, (), batch)
    with jax.disable_jit():
        plain, _ = method.phases[0].step(key, state, (), batch)
    cases.assert_close(compiled, plain, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('name', ['gan_dcgan', 'gan_residual'])
def test_a_sample_depends_on_its_key_alone(name):
    method, batch = cases.method(name), cases.source().batch(0)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    sample = jax.jit(method.sample)
    shapes = {'image': batch['image']}  # Labels are drawn, too.
    many = sample(keys.per_image(jax.random.key(1), 7), state, (), shapes)['generated']
    few = sample(keys.per_image(jax.random.key(1), 2, first=4), state, (), shapes)['generated']
    assert many.shape == (7, *cases.SHAPE)
    assert float(jnp.abs(many).max()) <= 1.0
    np.testing.assert_allclose(many[4:6], few, atol=1e-6)
    assert not jnp.allclose(many[0], many[1])


# One step from seed 0. If a refactoring was not meant to change what is computed, a
# difference here is a bug in it.
GOLDEN = {
    # Of eight pictures of noise, by NumPy's mean and median.
    'pixel_average': {'images': 8.0, 'change': 0.162669},
    'pixel_average_median': {'images': 8.0, 'change': 0.266605},
    'hill_climb': {'accepted': 0.875, 'log_odds': -2.62603, 'probability': 0.0936006},
    'evolution_strategy': {'generation_log_odds': -3.12833, 'log_odds': -2.33393},
    'map_elites': {'coverage': 1.0, 'improved': 0.5, 'probability': 0.166888},
    'gradient_ascent': {'gradient': 2.68096, 'log_odds': -0.895937},
    'pix2pix': {
        'discriminator_gradient': 0.617722,
        'discriminator_loss': 1.39702,
        'generator_gradient': 4.55741,
        'generator_loss': 0.689472,
        'l1': 0.500102,
    },
    'bridge': {'gradient': 0.29296, 'loss': 0.248046},
    'colorize': {'chroma_loss': 1.51279, 'hue_loss': 0.860798},
    'super_resolution': {'generator_gradient': 0.035159, 'l1': 0.431626},
    'style': {'loss': 6.250161},
    'style_neighbours': {'loss': 0.343355},
    'began': {
        'convergence': 0.924203,
        'evaluator_gradient': 0.278917,
        'evaluator_loss': 0.571885,
        'fake_energy': 0.0480005,
        'generator_gradient': 0.519837,
        'generator_loss': 0.0481509,
        'ratio': 0.0,
        'real_energy': 0.571885,
    },
    'ebgan': {
        'evaluator_gradient': 0.56187,
        'evaluator_loss': 0.677346,
        'fake_energy': 0.00422228,
        'generator_gradient': 2.044,
        'generator_loss': 0.0398305,
        'pulling_away': 0.355465,
        'real_energy': 0.481569,
    },
    'evaluator': {'evaluator_gradient': 0.501615, 'evaluator_loss': 0.383094},
    'imle': {'generator_gradient': 0.014895, 'generator_loss': 0.0323701, 'rejected': 0.541667},
    # Of uniform noise, whose variance is 1/3: a tenth of it, by 8 images.
    'moments': {'variance': 0.0286494},
    'vae': {
        'divergence': 0.693932,
        'gradient': 654.171,
        'loss': 402.121,
        'squared_error': 1.18032,
    },
    'classifier': {'accuracy': 0.125, 'gradient': 0.980759, 'loss': 2.45016},
    'gan_dcgan': {
        'discriminator_gradient': 0.0717925,
        'discriminator_loss': 1.38662,
        'generator_gradient': 0.00765874,
        'generator_loss': 0.692918,
    },
    'gan_perceptron': {
        'discriminator_gradient': 30.5199,
        'discriminator_loss': 0.401538,
        'generator_loss': 0.0,  # The second step is its turn.
        'gradient_penalty': 7.07701,
    },
    'gan_adaptive': {
        'augment_probability': 0.5,
        'discriminator_gradient': 0.919448,
        'discriminator_loss': 2.00392,
        'generator_gradient': 0.464494,
        'generator_loss': -0.032175,
    },
    'growing_gan': {
        'discriminator_gradient': 3.12287,
        'discriminator_loss': 1.53262,
        'fade': 1.0,
        'generator_gradient': 1.08701,
        'generator_loss': 0.627199,
        'r1': 0.0791153,
    },
    'flow_matching': {'gradient': 1.28667, 'loss': 1.27777},
    'latent_flow': {'divergence': 0.0148568, 'gradient': 0.120419, 'l1': 0.511891},
    'latent_flow_enlarged': {'divergence': 0.00358219, 'gradient': 0.0951638, 'l1': 0.524603},
    'gan_residual': {
        'discriminator_gradient': 3.79953,
        'discriminator_loss': 0.828837,
        'generator_gradient': 2.55076,
        'generator_loss': 0.751488,
        'r1': 0.363331,
        # Equal to r1: the untrained discriminator is linear.
        'r2': 0.363331,
    },
}


@EACH
def test_first_step_has_its_golden_metrics(name):
    _, _, records = uninterrupted(name)
    found = records[0].metrics
    if name not in GOLDEN:
        line = {metric: float(f'{value:.6g}') for metric, value in sorted(found.items())}
        pytest.fail(
            f'{name} has no golden values yet. Check that these are right and add them to GOLDEN '
            f'in {__file__}: {name!r}: {line},'
        )
    for metric, value in GOLDEN[name].items():
        np.testing.assert_allclose(found[metric], value, rtol=1e-3, err_msg=metric)


@SPREAD
def test_sample_makes_the_set_that_is_named_as_the_result(name):
    whole, _, _ = uninterrupted(name)
    method, batch = cases.method(name), cases.source_for(name).batch(0)
    given = {key: leaf for key, leaf in batch.items() if key != 'label'}
    count = min(3, method.num_images or 3)
    if method.num_images is not None:
        given['index'] = jnp.arange(count)
    sets = jax.jit(method.sample)(
        keys.per_image(jax.random.key(1), count), whole.state, method.frozen, given
    )
    for images in sets.values():
        assert images.dtype == jnp.float32 and images.ndim == 4
        assert float(jnp.abs(images).max()) <= 1.0 + 1e-6
    if method.output is None:
        return
    result = sets[method.output]
    if method.state_spec == P():  # Otherwise the state holds the images, and all are shown.
        assert len(result) == count
    if method.translation is not None:
        beside = sets['target' if 'target' in sets else 'input']
        assert result.shape == beside.shape
    if method.energy is not None:
        energies = jax.jit(method.energy)(whole.state, result)
        assert energies.shape == (len(result),) and np.isfinite(energies).all()
    if method.threshold is not None:
        assert np.isfinite(method.threshold(whole.state))


@pytest.mark.parametrize('name', NAMES)
def test_a_method_without_steps_is_built_or_refused_in_a_sentence(name):
    with contextlib.suppress(UserError):
        cases.method(name, num_steps=0)
