"""The optimizers of an image: losses, failed line searches, batches and averages."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from imggen.methods.style import adam, lbfgs


def minimize(optimizer, function, start, evaluations):
    """Returns the last state, and the loss of the current image after each evaluation."""

    @jax.jit
    def step(state, _):
        state = optimizer.advance(state, *jax.value_and_grad(function)(optimizer.point(state)))
        return state, optimizer.loss(state)

    state, losses = jax.lax.scan(step, optimizer.init(start), None, length=evaluations)
    return state, np.asarray(losses)


def rosenbrock(x):
    x = x.reshape(-1)
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def test_lbfgs_is_as_good_as_scipys_at_the_same_number_of_evaluations():
    start = jnp.full((1, 10, 1), -0.5)
    optimizer = lbfgs.make(memory_size=10)
    state, losses = minimize(optimizer, rosenbrock, start, 150)
    assert (np.diff(losses) <= 1e-6 * losses[:-1]).all(), 'an accepted loss never rises'
    both = jax.jit(jax.value_and_grad(rosenbrock))
    reference = scipy.optimize.minimize(
        lambda x: [np.float64(v) for v in both(np.float32(x))],
        np.asarray(start).ravel(),
        jac=True,
        method='L-BFGS-B',
        options={'maxfun': 75, 'maxcor': 10, 'ftol': 0, 'gtol': 0},
    )
    assert losses[-1] < max(1e-4, 2 * reference.fun)
    np.testing.assert_allclose(optimizer.result(state), 1.0, atol=0.05)


def inverse_hessian(steps, bends):
    """The BFGS formula (Nocedal and Wright 2006, eq. 6.17), pair after pair, from gamma I."""
    inverse = np.eye(steps.shape[1]) * (steps[-1] @ bends[-1]) / (bends[-1] @ bends[-1])
    for s, y in zip(steps, bends, strict=True):
        left = np.eye(len(s)) - np.outer(s, y) / (s @ y)
        inverse = left @ inverse @ left.T + np.outer(s, s) / (s @ y)
    return inverse


@pytest.mark.parametrize('count', [2, 5, 8])
def test_the_direction_of_lbfgs_is_that_of_the_last_pairs(count):
    generator = np.random.default_rng(count)
    steps = generator.normal(size=(count, 12))
    bends = steps * generator.uniform(0.1, 10.0, size=12)
    gradient = generator.normal(size=12)
    precondition = jax.jit(lbfgs.precondition)
    memory = lbfgs.empty(5, 12)
    for s, y in zip(np.float32(steps), np.float32(bends), strict=True):
        _, memory = precondition(memory, -9 * s, 9 * y, y, when=True)  # Not convex: left out.
        _, memory = precondition(memory, np.full(12, np.nan, np.float32), y, s, when=False)
        found, memory = precondition(memory, s, y, np.float32(gradient), when=True)
    expected = inverse_hessian(steps[-5:], bends[-5:]) @ gradient
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
    again, _ = precondition(memory, s, y, np.float32(gradient), when=False)
    np.testing.assert_allclose(again, found, rtol=1e-5)


def test_lbfgs_survives_losses_that_are_not_finite():
    def walled(x):
        return jnp.where(jnp.abs(x).max() < 1.0, jnp.square(x - 0.9).sum(), jnp.nan)

    state, losses = minimize(lbfgs.make(), walled, jnp.zeros((3, 3, 1)), 60)
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(state.image, 0.9, atol=1e-3)


def test_lbfgs_starts_again_after_a_failed_line_search():
    def broken(x):  # The gradient points the wrong way.
        return jnp.square(x).sum() + 2.0 * (jax.lax.stop_gradient(-4.0 * x) * x).sum()

    state, losses = minimize(lbfgs.make(), broken, jnp.ones((2, 2, 1)), 30)
    assert np.isfinite(losses).all() and jnp.isfinite(state.image).all()
    assert int(state.memory.count) == 0


def test_images_of_a_batch_are_optimized_independently():
    optimizer = lbfgs.make(memory_size=4)
    starts = jnp.stack([jnp.full((1, 6, 1), -0.5), jnp.full((1, 6, 1), 2.0)])
    single = [minimize(optimizer, rosenbrock, start, 40)[0].image for start in starts]

    def step(state, _):
        value, gradient = jax.vmap(jax.value_and_grad(rosenbrock))(jax.vmap(optimizer.point)(state))
        return jax.vmap(optimizer.advance)(state, value, gradient), None

    both, _ = jax.lax.scan(step, jax.vmap(optimizer.init)(starts), None, length=40)
    np.testing.assert_allclose(both.image, jnp.stack(single), rtol=1e-3, atol=1e-4)


def test_adams_average_of_a_constant_image_is_that_image():
    optimizer = adam.make(learning_rate=0.0, decay=0.9)
    image = jnp.linspace(-1, 1, 12).reshape(2, 2, 3)
    state = optimizer.init(image)
    np.testing.assert_array_equal(optimizer.result(state), image)
    for _ in range(3):
        state = optimizer.advance(state, jnp.float32(1.0), jnp.ones_like(image))
        np.testing.assert_allclose(optimizer.result(state), image, rtol=1e-5)


def test_adam_minimizes_and_stays_in_range():
    optimizer = adam.make(learning_rate=0.1, decay=0.5)
    far = lambda x: jnp.square(x - jnp.array([0.3, 3.0, -3.0])[None, None]).sum()
    state, losses = minimize(optimizer, far, jnp.zeros((2, 2, 3)), 60)
    np.testing.assert_allclose(optimizer.result(state)[0, 0], [0.3, 1.0, -1.0], atol=0.02)
    assert losses[-1] < losses[0]
