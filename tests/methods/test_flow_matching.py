"""Flow matching against closed forms: the velocities of a Gaussian and of a single image."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import devices, features, keys, methods
from imggen.errors import UserError
from imggen.evaluation import flow_nfe
from imggen.inference import load, sampling
from imggen.methods import flow_matching
from imggen.networks.flow_unet import FlowUNet
from imggen.workdir.restore import Restored
from tests.helpers import cases

MEAN, DEVIATION = 0.4, 0.3


def gaussian_velocity(x, t):
    """E[x1 - x0 | x_t = x] for images from N(MEAN, DEVIATION^2), which is the optimal v."""
    variance = (1 - t) ** 2 + (t * DEVIATION) ** 2
    return MEAN + (t * DEVIATION**2 - (1 - t)) * (x - t * MEAN) / variance


NOISE = jnp.linspace(-2.5, 2.5, 11)


@pytest.mark.parametrize('solver, order', [('euler', 1), ('heun', 2), ('adams', 2)])
def test_solvers_carry_noise_to_a_gaussian_with_their_order(solver, order):
    solve = jax.jit(flow_matching.SOLVERS[solver], static_argnums=(0, 2))
    errors = []
    for steps in (32, 64):
        evaluations = steps * order
        found = solve(gaussian_velocity, NOISE, evaluations)
        # The flow between two Gaussians is monotone: x0 -> mean + deviation x0.
        errors.append(float(jnp.abs(found - (MEAN + DEVIATION * NOISE)).max()))
    assert errors[1] < 0.03
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.3


@pytest.mark.parametrize('solver', flow_matching.SOLVERS.values())
@pytest.mark.parametrize('evaluations', [1, 2, 7, 8])
def test_solvers_reach_the_only_image(solver, evaluations):
    image = 0.7  # Its velocity does not exist at t = 1.
    found = solver(lambda x, t: (image - x) / (1 - t), NOISE, evaluations)
    np.testing.assert_allclose(found, image, atol=1e-6)


@pytest.mark.parametrize('solver', flow_matching.SOLVERS)
@pytest.mark.parametrize('evaluations', [1, 2, 3, 4, 7])
def test_solvers_use_the_given_number_of_evaluations(solver, evaluations):
    calls = []

    def velocity(x, t):
        jax.debug.callback(lambda t: calls.append(float(t)), t, ordered=True)
        return jnp.ones_like(x)

    found = flow_matching.SOLVERS[solver](velocity, jnp.zeros(3), evaluations)
    jax.effects_barrier()
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)
    assert len(calls) == evaluations
    assert calls[0] == 0.0 and max(calls) < 1.0


def test_the_gaussian_velocity_minimizes_the_loss():
    noise, image = (
        jax.random.normal(key, (200_000,)) for key in jax.random.split(jax.random.key(0))
    )
    image = MEAN + DEVIATION * image
    time = jnp.full_like(image, 0.3)
    x = flow_matching.between(noise, image, time)

    def loss(slope, offset):
        velocity = gaussian_velocity(x, 0.3) + slope * x + offset
        return jnp.mean(jnp.square(velocity - (image - noise)))

    gradients = jax.grad(loss, argnums=(0, 1))(0.0, 0.0)
    np.testing.assert_allclose(gradients, 0.0, atol=0.02)
    # The minimum is the variance of x1 - x0 given x_t.
    variance = 0.7**2 + (0.3 * DEVIATION) ** 2
    np.testing.assert_allclose(loss(0.0, 0.0), DEVIATION**2 / variance, rtol=0.02)


def test_times_have_their_distributions():
    _, draws = flow_matching.draw_noise(keys.per_image(jax.random.key(0), 4000), (1,))
    uniform, middle = (flow_matching.TIMES[name](draws) for name in ('uniform', 'logit_normal'))
    np.testing.assert_allclose(
        np.quantile(uniform, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.03
    )
    assert 0.2 < np.std(middle) < np.std(uniform)
    assert float(middle.min()) > 0 and float(middle.max()) < 1


def test_the_untrained_velocity_is_zero_at_any_size():
    network = FlowUNet(features=(8, 8), heads=2)
    for shape in ((8, 8, 1), (7, 10, 3)):
        images = jax.random.normal(jax.random.key(0), (2, *shape))
        time = jnp.array([0.0, 1.0])
        velocity, _ = jax.jit(network.init_with_output)(jax.random.key(1), images, time)
        assert velocity.shape == images.shape and not np.any(velocity)


def with_noise(state, *, scale=0.1):
    """Adds noise to the parameters, because the untrained velocity is 0 for every input."""
    leaves, tree = jax.tree.flatten(state.ema)
    filled = [
        leaf + scale * jax.random.normal(jax.random.fold_in(jax.random.key(3), i), leaf.shape)
        for i, leaf in enumerate(leaves)
    ]
    return state.replace(ema=jax.tree.unflatten(tree, filled))


def test_a_flow_trained_on_one_image_draws_it():
    image = jnp.where(jnp.arange(8)[:, None, None] < 4, 0.6, -0.4) * jnp.ones((8, 8, 1))
    batch = {'image': jnp.broadcast_to(image, (16, 8, 8, 1))}
    method = cases.method(
        'flow_matching', num_classes=0, num_steps=150, learning_rate=1e-2, warmup_steps=5
    )
    (phase,) = method.phases

    @jax.jit
    def train(state):
        step = lambda i, state: phase.step(jax.random.key(i), state, (), batch)[0]
        return jax.lax.fori_loop(0, 150, step, state)

    state = train(jax.jit(method.init)(jax.random.key(0), (), batch))
    image_keys = keys.per_image(jax.random.key(7), 4)
    drawn = jax.jit(method.sample)(image_keys, state, (), batch)['generated']
    assert float(jnp.abs(drawn - batch['image'][:4]).mean()) < 0.1


def test_guidance_goes_from_no_class_to_the_class_and_beyond():
    batch = cases.source().batch(0)
    state = jax.jit(cases.method('flow_matching').init)(jax.random.key(0), (), batch)
    state = with_noise(state)

    @functools.cache
    def sampler(guidance):
        count = 1 if guidance == 1.0 else 2
        method = cases.method('flow_matching', guidance=guidance, solver='euler', evaluations=count)
        return jax.jit(method.sample)

    def one_euler_step(guidance, label, asked=()):
        """Samples from the same noise: linear in the velocity, except for the clipping."""
        inputs = {**batch, 'label': jnp.full(3, label, jnp.int32), **dict(asked)}
        image_keys = keys.per_image(jax.random.key(1), 3)
        return np.asarray(sampler(guidance)(image_keys, state, (), inputs)['generated'])

    none, one, two = (one_euler_step(guidance, 2) for guidance in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(none, one_euler_step(0.0, 5), atol=1e-5)
    assert np.abs(one - none).max() > 1e-3
    inside = (np.abs([none, one, two]) < 1).all(0)
    assert inside.mean() > 0.2
    np.testing.assert_allclose(two[inside], (2 * one - none)[inside], atol=1e-4)
    asked = one_euler_step(1.0, 2, {'guidance': jnp.full(3, 2.0)})  # Whatever the config says.
    np.testing.assert_allclose(asked, two, atol=1e-5)


def states_of(method, *, num_steps):
    batch = cases.source().batch(0)
    states = [jax.jit(method.init)(jax.random.key(0), (), batch)]
    step = jax.jit(method.phases[0].step)
    for index in range(num_steps):
        states.append(step(jax.random.key(index), states[-1], (), batch)[0])
    return states


def test_the_early_network_is_the_average_of_an_early_step():
    method = cases.method('flow_matching', num_steps=6, early=0.5)
    states = states_of(method, num_steps=6)
    for index, state in enumerate(states):
        expected = states[min(index, 3)].ema
        assert all(jax.tree.leaves(jax.tree.map(np.array_equal, state.early, expected)))
    assert not all(jax.tree.leaves(jax.tree.map(np.array_equal, state.early, state.ema)))


def test_autoguidance_goes_from_the_early_network_beyond_the_last():
    options = {'num_classes': 0, 'early': 0.5, 'solver': 'euler'}
    state = jax.jit(cases.method('flow_matching', **options).init)(
        jax.random.key(0), (), cases.source().batch(0)
    )
    state = with_noise(state).replace(early=with_noise(state, scale=0.2).ema)

    def one_euler_step(guidance, state=state):
        count = 1 if guidance == 1.0 else 2
        method = cases.method('flow_matching', **options, guidance=guidance, evaluations=count)
        assert method.guidance == guidance
        image_keys = keys.per_image(jax.random.key(1), 3)
        batch = cases.source().batch(0)
        return np.asarray(jax.jit(method.sample)(image_keys, state, (), batch)['generated'])

    early, last, beyond = (one_euler_step(guidance) for guidance in (0.0, 1.0, 2.0))
    np.testing.assert_allclose(
        early, one_euler_step(1.0, state.replace(ema=state.early)), atol=1e-5
    )
    inside = (np.abs([early, last, beyond]) < 1).all(0)
    assert inside.mean() > 0.2 and np.abs(last - early).max() > 1e-3
    np.testing.assert_allclose(beyond[inside], (2 * last - early)[inside], atol=1e-4)


@pytest.mark.parametrize('asked', [False, True])
def test_guidance_that_falls_is_less_by_the_share_of_the_way(monkeypatch, asked):
    """Also if the factor is asked for, whatever the config says."""
    # At a quarter of the way the factor 5 has become 1 + 4 * 3 / 4.
    monkeypatch.setitem(flow_matching.SOLVERS, 'euler', lambda velocity, x, _: velocity(x, 0.25))
    batch = cases.source().batch(0)
    state = jax.jit(cases.method('flow_matching').init)(jax.random.key(0), (), batch)
    state = with_noise(state)

    def velocity(guidance, **options):
        given = {**batch, 'guidance': jnp.full(8, guidance)} if asked else batch
        guidance = 1.5 if asked else guidance
        options = {'guidance': guidance, 'solver': 'euler', **options}
        method = cases.method('flow_matching', **options)
        image_keys = keys.per_image(jax.random.key(1), 8)
        return np.asarray(jax.jit(method.sample)(image_keys, state, (), given)['generated'])

    fallen = velocity(5.0, guidance_falls=True)
    np.testing.assert_allclose(fallen, velocity(4.0), atol=1e-5)
    assert np.abs(fallen - velocity(5.0)).max() > 1e-3


@pytest.mark.parametrize('early', [-0.1, 1.0, float('nan')])
def test_an_early_step_outside_of_the_run_is_an_error(early):
    with pytest.raises(UserError, match=r'config\.method\.early='):
        cases.method('flow_matching', early=early)


def test_too_few_evaluations_are_an_error():
    with pytest.raises(UserError, match='evaluations=1 is too small for one step'):
        cases.method('flow_matching', evaluations=1)


@pytest.mark.parametrize('heads', [-1, 3])
def test_heads_that_do_not_divide_the_features_are_an_error(heads):
    network = FlowUNet(features=(4, 8), heads=heads)
    with pytest.raises(UserError, match=f'heads={heads} does not divide'):
        jax.eval_shape(network.init, jax.random.key(0), jnp.zeros((1, 8, 8, 1)), jnp.zeros(1))


def test_a_run_is_measured_at_several_numbers_of_evaluations():
    section = {'name': 'flow_matching', 'num_steps': 1, 'network': {'features': (4, 4), 'heads': 1}}
    method = methods.make(section)
    batch = {'image': jnp.zeros((8, 8, 8, 1))}
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    config = {'method': section, 'data': {'name': 'digits'}}
    run = Restored(config, method, state, 0, batch, devices.make_mesh())
    asked = {'num_images': 40, 'seed': 0, 'extractor': features.make('pixels')}
    found = flow_nfe.measure(run, **asked, evaluations=(1, 3))
    # With one evaluation, Heun is the same as Euler.
    solved = {f'frechet_{solver}_3' for solver in ('euler', 'heun', 'adams')}
    assert set(found) == {'frechet_euler_1', *solved}
    solvers = tuple(flow_matching.SOLVERS)
    two = flow_nfe.measure(run, **asked, evaluations=(2,), solvers=solvers)
    assert set(two) == {'frechet_euler_2', 'frechet_adams_2'}  # Heun makes two steps of Euler.
    # The untrained velocity is 0, so all samples are the same noise.
    assert len({round(value, 3) for value in found.values()}) == 1
    with_noise_in = run._replace(state=with_noise(state, scale=0.3))
    moved = flow_nfe.measure(with_noise_in, **asked, evaluations=(3,))
    assert len({round(value, 3) for value in [*moved.values(), *found.values()]}) == 4
    # At 0 only the early network counts, and it is untrained: nothing moves.
    early = {**section, 'early': 0.5}
    guided = methods.make(early)
    state = with_noise(jax.jit(guided.init)(jax.random.key(0), (), batch), scale=0.3)
    run = Restored({**config, 'method': early}, guided, state, 0, batch, devices.make_mesh())

    def at(guidance):
        return flow_nfe.measure(load.with_guidance(run, guidance), **asked, evaluations=(6,))

    assert at(0.0)['frechet_euler_6'] == pytest.approx(found['frechet_euler_3'], rel=1e-5)
    assert at(1.0) == flow_nfe.measure(with_noise_in, **asked, evaluations=(6,))
    key = keys.stream(0, 'sample')
    (asked_for,), (configured,) = (
        sampling.generate(key, made, 4, guidance=guidance)
        for made, guidance in (
            (load.with_guidance(run, 2.0), 1.0),
            (load.with_guidance(run, 1.0), None),
        )
    )
    np.testing.assert_array_equal(asked_for['generated'], configured['generated'])
    assert at(2.0)['frechet_euler_6'] != pytest.approx(at(1.0)['frechet_euler_6'], rel=1e-3)


def clusters_velocity(x, t, deviation=1.0):
    """The optimal v for images [d] from N(-1, deviation^2) and N(1, deviation^2) in equal parts."""
    variance = (1 - t) ** 2 + (t * deviation) ** 2
    side = jnp.tanh(t / variance * x.sum(-1, keepdims=True))
    means = side + t * deviation**2 / variance * (x - t * side)
    return (means - x) / (1 - t)


def test_adams_decides_early_between_large_clusters():
    # Which cluster an image belongs to is decided near the noise.
    noise = jnp.asarray(np.random.default_rng(0).normal(size=(200, 1024)), jnp.float32)
    exact = flow_matching.heun(clusters_velocity, noise, 2001)
    error = {
        name: float(jnp.sqrt(jnp.mean(jnp.square(solve(clusters_velocity, noise, 20) - exact))))
        for name, solve in flow_matching.SOLVERS.items()
    }
    assert error['adams'] < error['heun'] / 2
