"""Progressive growing: the fade in both networks and real images, the phases, the optimizers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys, options
from imggen.errors import UserError
from imggen.methods.adversarial import growing_gan
from imggen.networks import growing
from tests.helpers import cases

SHAPES = [((8, 8, 1), (8, 4)), ((28, 28, 1), (8, 4, 4)), ((13, 10, 3), (8, 4, 4))]


def networks(shape, features):
    return growing.Generator(shape, features), growing.Discriminator(features)


@pytest.fixture(scope='module', params=SHAPES, ids=str)
def both(request):
    shape, features = request.param
    generator, discriminator = networks(shape, features)
    top = len(features) - 1
    latent = jax.random.normal(jax.random.key(0), (3, 5))
    grown = {'level': top, 'fade': 1.0, 'train': False}
    made = jax.jit(lambda key: generator.init_with_output(key, latent, **grown))
    images, generator_variables = made(jax.random.key(1))
    init = jax.jit(lambda key: discriminator.init(key, images, **grown))
    return (generator, generator_variables, latent), (discriminator, init(jax.random.key(2)))


def test_a_new_level_starts_as_the_level_below_enlarged(both):
    (generator, variables, latent), _ = both
    for level in range(1, len(generator.features)):
        apply = lambda level, fade: generator.apply(
            variables, latent, level=level, fade=fade, train=False
        )
        before = growing.up(apply(level - 1, jnp.float32(1.0)))
        assert jnp.array_equal(apply(level, jnp.float32(0.0)), before)
        assert not jnp.allclose(apply(level, jnp.float32(0.1)), before)


def test_a_new_level_of_the_discriminator_starts_as_the_one_below_on_halved_images(both):
    (generator, _, _), (discriminator, variables) = both
    base = growing.base_size(generator.shape[:2], len(generator.features))
    for level in range(1, len(generator.features)):
        size = (base[0] * 2**level, base[1] * 2**level)
        images = jax.random.normal(jax.random.key(3), (2, *size, generator.shape[2]))
        apply = lambda images, level, fade: discriminator.apply(
            variables, images, level=level, fade=fade, train=False
        )
        before = apply(growing.down(images), level - 1, jnp.float32(1.0))
        assert jnp.array_equal(apply(images, level, jnp.float32(0.0)), before)
        assert not jnp.allclose(apply(images, level, jnp.float32(0.1)), before)


def test_the_layers_of_the_old_size_have_no_gradient_after_the_fade():
    generator, discriminator = networks((8, 8, 1), (8, 4))
    latent = jnp.ones((2, 3))
    grown = {'level': 1, 'fade': 1.0, 'train': False}
    variables = generator.init(jax.random.key(0), latent, **grown)
    total = lambda v: jnp.sum(generator.apply(v, latent, **grown) ** 2)
    gradients = jax.jit(jax.grad(total))(variables)
    assert not np.any(gradients['params']['to_image_0']['kernel'])
    assert np.any(gradients['params']['to_image_1']['kernel'])
    images = jax.random.normal(jax.random.key(1), (2, 8, 8, 1))
    variables = discriminator.init(jax.random.key(0), images, **grown)
    total = lambda v: discriminator.apply(v, images, **grown).sum()
    gradients = jax.jit(jax.grad(total))(variables)
    assert not np.any(gradients['params']['from_image_0']['kernel'])
    assert np.any(gradients['params']['from_image_1']['kernel'])


def test_real_images_are_faded_too():
    images = jax.random.normal(jax.random.key(0), (2, 8, 12, 3))
    assert jnp.array_equal(growing.at_level(images, 1, 1.0, levels=2), images)
    blurred = growing.up(growing.down(images))
    assert jnp.array_equal(growing.at_level(images, 1, 0.0, levels=2), blurred)
    half = growing.at_level(images, 1, 0.5, levels=2)
    np.testing.assert_allclose(half, (images + blurred) / 2, atol=1e-6)
    smallest = growing.at_level(images, 0, 1.0, levels=3)
    np.testing.assert_allclose(smallest, images.reshape(2, 2, 4, 3, 4, 3).mean((2, 4)), atol=1e-6)


def test_steps_are_divided_by_shares_and_fades_follow_the_step():
    config = options.build(
        growing_gan.Config, {'num_steps': 400, 'shares': (1, 1, 2), 'fade': 0.5}, where='test'
    )
    starts = growing_gan.level_starts(config)
    assert starts == (0, 100, 200)
    fade = lambda step, level: float(growing_gan.fade_at(step, level, starts, config))
    assert [fade(step, 0) for step in (0, 50)] == [1.0, 1.0]  # There is no level below it.
    assert [fade(step, 1) for step in (100, 125, 150, 199)] == [0.0, 0.5, 1.0, 1.0]
    assert [fade(step, 2) for step in (200, 250, 300, 399)] == [0.0, 0.5, 1.0, 1.0]


def test_without_growth_all_steps_have_the_full_size():
    method = cases.method('growing_gan', shares=(0, 1))
    assert [phase.num_steps for phase in method.phases] == [0, 6]
    state = jax.eval_shape(method.init, jax.random.key(0), (), cases.source().batch(0))
    assert state.step.dtype == jnp.int32


@pytest.mark.parametrize('shares', [(1,), (0, 0), (-1, 2)])
def test_shares_of_wrong_values_are_refused(shares):
    with pytest.raises(UserError, match='does not assign steps to each of the 2 levels'):
        cases.method('growing_gan', shares=shares)


@pytest.fixture(scope='module')
def begun():
    method, batch = cases.method('growing_gan'), cases.source().batch(0)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    return method, batch, state


def test_samples_do_not_jump_at_the_start_of_a_phase(begun):
    method, batch, state = begun
    image_keys = keys.per_image(jax.random.key(1), 3)
    sample = jax.jit(lambda step: method.sample(image_keys, state.replace(step=step), (), batch))
    images = [sample(jnp.int32(step))['generated'] for step in (1, 2, 3)]
    assert images[0].shape == (3, *cases.SHAPE)
    assert jnp.array_equal(images[0], images[1])
    assert not jnp.allclose(images[1], images[2])


def test_optimizers_restart_with_a_phase_and_continue_within_it(begun):
    method, batch, state = begun
    step = jax.jit(method.phases[1].step)
    worn = jax.tree.map(lambda leaf: leaf + 7, state.generator.opt_state)
    state = state.replace(generator=state.generator.replace(opt_state=worn))
    for at, count in ((2, 1), (3, 8)):
        after, metrics = step(jax.random.key(0), state.replace(step=jnp.int32(at)), (), batch)
        assert int(after.generator.opt_state[0].count) == count
        assert float(metrics['fade']) == (at - 2) / 2
