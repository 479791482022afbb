"""The game's rules one by one, and what a generator can be asked for afterwards."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen import keys, latents, methods, options
from imggen.errors import UserError
from imggen.losses import adversarial
from imggen.methods.adversarial import step as game
from tests.helpers import cases


class Toy:
    """A generator and a discriminator of one number each: D(x) = w mean x, G(z) = v z."""

    @staticmethod
    def generate(variables, latent, label, *, train, mutable):
        del label, train, mutable
        return variables['params']['v'] * latent[:, :, None, None], {}

    @staticmethod
    def criticise(variables, images, label, *, train, mutable):
        del label, train, mutable
        return variables['params']['w'] * images.mean((1, 2, 3)), {}


BATCH = {'image': jax.random.normal(jax.random.key(0), (6, 4, 1, 1))}


def play(num_steps=4, **changes):
    """Runs the toy game; returns the states after each step and the reports."""
    section = {'num_steps': 8, 'latent_size': 4, 'learning_rate': 0.1, 'b1': 0.0, **changes}
    config = options.build(game.Config, section, where='test')
    made = game.make(config)
    state = made.start({'params': {'v': jnp.float32(0.5)}}, {'params': {'w': jnp.float32(0.3)}})
    update = jax.jit(lambda key, state: made.update(key, state, BATCH, Toy.generate, Toy.criticise))
    states, reports = [state], []
    for step in range(num_steps):
        state, report = update(jax.random.key(step), state)
        states.append(state)
        reports.append(report)
    return states, reports


def numbers(states):
    return [(float(s.generator.params['v']), float(s.discriminator.params['w'])) for s in states]


def test_the_generator_learns_once_in_so_many_steps():
    states, reports = play(6, discriminator_steps=3)
    v, w = zip(*numbers(states), strict=True)
    assert v[0] == v[1] == v[2] != v[3] == v[4] == v[5] != v[6]
    assert len(set(w)) == len(w)  # The discriminator learns in every step.
    # The mean of the report over steps is that over the generator's updates.
    assert [float(report['generator_loss']) == 0.0 for report in reports] == [True, True, False] * 2
    every, _ = play(1)
    assert numbers(every)[1][0] != v[0]


def test_the_discriminator_stays_within_the_clip():
    _, w = zip(*numbers(play(4, loss='wasserstein', weight_clip=0.25)[0]), strict=True)
    assert max(abs(value) for value in w[1:]) == 0.25


def test_a_lazy_penalty_comes_seldom_and_weighs_as_much():
    _, every = play(8, r1_gamma=2.0, learning_rate=0.0)
    _, lazy = play(8, r1_gamma=2.0, learning_rate=0.0, penalty_every_steps=4)
    values = [float(report['r1']) for report in lazy]
    assert [value > 0 for value in values] == [True, False, False, False] * 2
    np.testing.assert_allclose(np.mean(values), np.mean([r['r1'] for r in every]), rtol=1e-5)
    # D = w mean x has the gradient w / 4 at each of 4 pixels.
    np.testing.assert_allclose(every[0]['r1'], 2.0 / 2 * 0.3**2 / 4, rtol=1e-5)


def test_the_slope_penalty_is_that_of_a_known_critic():
    states, reports = play(1, loss='wasserstein', gradient_penalty=10.0)
    slope = 0.3 / 2  # The norm of four gradients of w / 4.
    np.testing.assert_allclose(reports[0]['gradient_penalty'], 10 * (slope - 1) ** 2, rtol=1e-4)
    assert numbers(states)[1][1] > 0.3  # The slope grows towards 1.


def test_slopes_are_taken_all_along_the_way_from_real_to_generated():
    real, fake = jnp.ones((2000, 2, 2, 1)), -jnp.ones((2000, 2, 2, 1))
    critic = lambda images: (jnp.sum(images**2, (1, 2, 3)) / 2, None)  # noqa: E731
    image_keys = jax.random.split(jax.random.key(0), 2000)
    penalties = np.asarray(adversarial.slope_penalty(critic, image_keys, real, fake))
    # At y in [-1, 1], one number an image, the slope is 2 |y| and the penalty (2 |y| - 1)^2.
    assert penalties.min() >= 0 and penalties.max() <= 1 + 1e-5
    np.testing.assert_allclose(penalties.mean(), 1 / 3, atol=0.02)
    np.testing.assert_allclose(np.mean(penalties < 0.25), 0.5, atol=0.04)


@pytest.mark.parametrize('loss', adversarial.LOSSES)
def test_every_loss_moves_the_discriminator_to_tell_real_from_generated(loss):
    real = np.asarray(BATCH['image'].mean((1, 2, 3)))
    fake = np.asarray(0.5 * latents.draw(keys.per_image(jax.random.key(0), 6), 4).mean(-1))
    (_, before), (_, after) = numbers(play(1, loss=loss)[0])
    towards = real.mean() - fake.mean()
    if loss == 'least_squares':  # Logits are to become 1 and 0.
        towards = np.mean((1 - 0.3 * real) * real) - np.mean(0.3 * fake * fake)
    assert np.sign(after - before) == np.sign(towards)


@pytest.mark.parametrize('loss', adversarial.LOSSES)
def test_every_loss_moves_the_generator_to_logits_of_real_images(loss):
    latent = latents.draw(keys.per_image(jax.random.key(0), 6), 4).mean()
    (before, _), (after, w) = numbers(play(1, loss=loss)[0])
    assert np.sign(after - before) == np.sign(w * latent)


def test_the_average_forgets_half_in_its_half_life():
    method = cases.method('gan_dcgan', ema_half_life_images=16.0)
    batch = cases.source().batch(0)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    # Late in a run, where the half-life is no longer bounded by what was seen.
    state = state.replace(step=jnp.int32(1000))
    (phase,) = method.phases
    new, _ = jax.jit(phase.step)(jax.random.key(1), state, (), batch)
    decay = 0.5 ** (cases.BATCH_SIZE / 16.0)
    for collection in ('params', 'batch_stats'):
        old, now, average = (
            tree[collection] for tree in (state.ema, new.generator.variables, new.ema)
        )
        expected = jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, old, now)
        cases.assert_close(average, expected)
    assert not np.array_equal(*(jax.tree.leaves(s.average['params'])[0] for s in (state, new)))


@pytest.mark.parametrize('name', ['r1_gamma', 'r2_gamma', 'gradient_penalty'])
def test_a_penalty_beside_batch_normalization_is_told(name):
    method = cases.method('gan_dcgan', **{name: 1.0})
    with pytest.raises(UserError, match=f'{name} penalizes .*discriminator.normalize=False'):
        jax.eval_shape(method.init, jax.random.key(0), (), cases.source().batch(0))
    without = cases.method('gan_dcgan', **{name: 1.0}, discriminator={'normalize': False})
    jax.eval_shape(without.init, jax.random.key(0), (), cases.source().batch(0))


@pytest.mark.parametrize('loss, expected', [('nonsaturating', 0.6), ('relativistic', 0.4)])
def test_augmentation_follows_what_the_loss_knows(loss, expected):
    """Logits that are all positive, the generated ones larger: sure of itself, and wrong."""
    section = {'kinds': ('brightness',), 'probability': 0.5, 'target': 0.5}
    section['adaptation_images'] = 240.0  # 24 images in four steps: a tenth.

    def criticise(variables, images, label, *, train, mutable):
        del label, train, mutable
        is_real = jnp.abs(images[:, 0, 0, 0]) > 1e-6  # The generator's are nought.
        return variables['params']['w'] * jnp.where(is_real, 1.0, 2.0), {}

    config = {'num_steps': 8, 'latent_size': 4, 'learning_rate': 0.0, 'augment': section}
    made = game.make(options.build(game.Config, {**config, 'loss': loss}, where='test'))
    state = made.start({'params': {'v': jnp.float32(0.0)}}, {'params': {'w': jnp.float32(0.3)}})
    for step in range(4):
        state, _ = made.update(jax.random.key(step), state, BATCH, Toy.generate, criticise)
    np.testing.assert_allclose(state.control.probability, expected, rtol=1e-5)


def test_senseless_steps_are_told():
    for name in ('discriminator_steps', 'penalty_every_steps'):
        with pytest.raises(UserError, match=f'{name} is 0; set it to 1 or more'):
            play(1, **{name: 0})
    with pytest.raises(UserError, match=r"augment\.kind is not an option: did you mean 'kinds'"):
        play(1, augment={'kind': ('flip',)})


NETWORKS = {
    'perceptron': ({'features': (8,)}, {'features': (4,), 'pieces': 2}),
    'dcgan': ({'features': 4}, {'features': 4, 'normalize': False}),
    'residual': ({'features': (8, 4)}, {'features': (8, 4)}),
}


@pytest.mark.parametrize('network', NETWORKS)
@pytest.mark.parametrize('loss', adversarial.LOSSES)
def test_any_loss_with_any_network(network, loss):
    generator, discriminator = NETWORKS[network]
    method = methods.make(
        {
            'name': 'gan',
            'num_steps': 2,
            'network': network,
            'loss': loss,
            'r1_gamma': 1.0,
            'latent_size': 4,
            'generator': generator,
            'discriminator': discriminator,
        }
    )
    batch = cases.source().batch(0)
    state = jax.eval_shape(method.init, jax.random.key(0), (), batch)
    after, report = jax.eval_shape(method.phases[0].step, jax.random.key(0), state, (), batch)
    assert jax.tree.structure(after) == jax.tree.structure(state)
    assert all(value.shape == () for value in report.values())


def test_a_conditional_pair_hears_the_class_and_draws_its_own():
    method, batch = cases.method('gan_perceptron'), cases.source().batch(0)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    image_keys = jax.random.split(jax.random.key(1), 200)
    sample = jax.jit(
        lambda inputs: method.sample(image_keys, state, (), {'image': batch['image'], **inputs})
    )
    given = lambda label: {'label': jnp.full(200, label, jnp.int32)}  # noqa: E731
    by_class = jnp.stack([sample(given(label))['generated'] for label in range(10)])
    assert not jnp.allclose(by_class[3], by_class[4])
    drawn = latents.draw_labels(image_keys, 10)
    assert set(np.unique(drawn)) == set(range(10))
    np.testing.assert_allclose(sample({})['generated'], by_class[drawn, jnp.arange(200)], atol=1e-5)
    discriminator = state.discriminator.params
    assert any(leaf.shape == (10, 4) for leaf in jax.tree.leaves(discriminator))


def test_classes_without_labels_are_told():
    method, batch = cases.method('gan_perceptron'), cases.source().batch(0)
    with pytest.raises(UserError, match=r"set config\.data\.labels='folders'"):
        jax.eval_shape(method.init, jax.random.key(0), (), {'image': batch['image']})


def test_options_of_every_game_stand_in_every_adversarial_method():
    shared = {field.name for field in dataclasses.fields(game.Config)}
    for name in ('gan_dcgan', 'growing_gan'):
        with pytest.raises(UserError, match='is not an option'):
            cases.method(name, no_such_option=1)
    from imggen.methods.adversarial import gan, growing_gan

    for config in (gan.Config, growing_gan.Config):
        assert shared <= {field.name for field in dataclasses.fields(config)}
