"""The rules of an adversarial step one by one, and what a generator can be asked for afterwards."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from imggen import keys, latents, methods, options, train_state
from imggen.errors import UserError
from imggen.losses import adversarial
from imggen.methods.adversarial import gan, growing_gan
from imggen.methods.adversarial import step as adversarial_step
from tests.helpers import cases


class Toy:
    """A generator and a discriminator of one number each: D(x) = w mean x, G(z) = v z."""

    @staticmethod
    def generator_apply(variables, latent, label, **how):
        del label, how
        return variables['params']['v'] * latent[:, :, None, None], {}

    @staticmethod
    def discriminator_apply(variables, images, label, **how):
        del label, how
        return variables['params']['w'] * images.mean((1, 2, 3)), {}


# Small programs that run once: most of the time is their compilation.
QUICK = {'xla_backend_optimization_level': 0}
BATCH = {'image': jax.random.normal(jax.random.key(0), (6, 4, 1, 1))}


def toy(*, v=0.5, discriminator_apply=Toy.discriminator_apply, aid=None, **changes):
    """Returns the initial state of the toy networks and the function that makes a step."""
    section = {'num_steps': 8, 'latent_size': 4, 'learning_rate': 0.1, 'b1': 0.0, **changes}
    config = options.build(adversarial_step.Config, section, where='test')
    setup = adversarial_step.make_setup(config, axis_name=None, schedule_steps=8)
    start = {'params': {'w': jnp.float32(0.3)}}
    heads = aid and train_state.create(start, aid.optimizer)
    state = adversarial_step.create_state(
        setup, {'params': {'v': jnp.float32(v)}}, start, heads=heads
    )

    @jax.jit
    def advance(key, state):
        return adversarial_step.advance(
            key, setup, state, BATCH, Toy.generator_apply, discriminator_apply, aid=aid
        )

    return state, advance


def train(num_steps=4, **changes):
    """Trains the toy networks; returns the states after each step and the metrics."""
    state, advance = toy(**changes)
    states, metrics = [state], []
    for step in range(num_steps):
        state, step_metrics = advance(jax.random.key(step), state)
        states.append(state)
        metrics.append(step_metrics)
    return states, metrics


def numbers(states):
    return [(float(s.generator.params['v']), float(s.discriminator.params['w'])) for s in states]


def test_the_generator_learns_once_in_so_many_steps():
    states, metrics = train(6, discriminator_steps=3)
    v, w = zip(*numbers(states), strict=True)
    assert v[0] == v[1] == v[2] != v[3] == v[4] == v[5] != v[6]
    assert len(set(w)) == len(w)  # The discriminator learns in every step.
    # The mean of the metrics over steps is their mean over the updates of the generator.
    assert [float(one['generator_loss']) == 0.0 for one in metrics] == [True, True, False] * 2
    every, _ = train(1)
    assert numbers(every)[1][0] != v[0]


def test_the_discriminator_stays_within_the_clip():
    _, w = zip(*numbers(train(4, loss='wasserstein', weight_clip=0.25)[0]), strict=True)
    assert max(abs(value) for value in w[1:]) == 0.25


def test_a_lazy_penalty_is_rare_and_has_the_same_mean():
    _, every = train(8, r1_gamma=2.0, learning_rate=0.0)
    _, lazy = train(8, r1_gamma=2.0, learning_rate=0.0, penalty_every_steps=4)
    values = [float(one['r1']) for one in lazy]
    assert [value > 0 for value in values] == [True, False, False, False] * 2
    np.testing.assert_allclose(np.mean(values), np.mean([one['r1'] for one in every]), rtol=1e-5)
    # D = w mean x has the gradient w / 4 at each of 4 pixels.
    np.testing.assert_allclose(every[0]['r1'], 2.0 / 2 * 0.3**2 / 4, rtol=1e-5)


def test_the_gradient_penalty_of_a_known_discriminator():
    states, metrics = train(1, loss='wasserstein', gradient_penalty=10.0)
    slope = 0.3 / 2  # The norm of four gradients of w / 4.
    np.testing.assert_allclose(metrics[0]['gradient_penalty'], 10 * (slope - 1) ** 2, rtol=1e-4)
    assert numbers(states)[1][1] > 0.3  # The slope grows towards 1.


def test_the_gradient_penalty_is_taken_everywhere_between_real_and_generated():
    real, fake = jnp.ones((2000, 2, 2, 1)), -jnp.ones((2000, 2, 2, 1))
    quadratic = lambda images: (jnp.sum(images**2, (1, 2, 3)) / 2, None)
    image_keys = jax.random.split(jax.random.key(0), 2000)
    penalties = np.asarray(adversarial.gradient_penalty(quadratic, image_keys, real, fake))
    # At y in [-1, 1], one number an image, the slope is 2 |y| and the penalty (2 |y| - 1)^2.
    assert penalties.min() >= 0 and penalties.max() <= 1 + 1e-5
    np.testing.assert_allclose(penalties.mean(), 1 / 3, atol=0.02)
    np.testing.assert_allclose(np.mean(penalties < 0.25), 0.5, atol=0.04)


@pytest.mark.parametrize('loss', adversarial.LOSSES)
def test_every_loss_moves_the_discriminator_to_tell_real_from_generated(loss):
    real = np.asarray(BATCH['image'].mean((1, 2, 3)))
    fake = np.asarray(0.5 * latents.draw(keys.per_image(jax.random.key(0), 6), 4).mean(-1))
    (_, before), (_, after) = numbers(train(1, loss=loss)[0])
    towards = real.mean() - fake.mean()
    if loss == 'least_squares':  # Logits are to become 1 and 0.
        towards = np.mean((1 - 0.3 * real) * real) - np.mean(0.3 * fake * fake)
    assert np.sign(after - before) == np.sign(towards)


@pytest.mark.parametrize('loss', adversarial.LOSSES)
def test_every_loss_moves_the_generator_to_logits_of_real_images(loss):
    latent = latents.draw(keys.per_image(jax.random.key(0), 6), 4).mean()
    (before, _), (after, w) = numbers(train(1, loss=loss)[0])
    assert np.sign(after - before) == np.sign(w * latent)


def test_the_moving_average_forgets_half_in_its_half_life():
    method = cases.method('gan_dcgan', ema_half_life_images=16.0)
    batch = cases.source().batch(0)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    # Late in a run the images seen no longer bound the half-life.
    state = state.replace(step=jnp.int32(1000))
    (phase,) = method.phases
    new, _ = jax.jit(phase.step)(jax.random.key(1), state, (), batch)
    decay = 0.5 ** (cases.BATCH_SIZE / 16.0)
    for collection in ('params', 'batch_stats'):
        old, now, ema = (tree[collection] for tree in (state.ema, new.generator.variables, new.ema))
        expected = jax.tree.map(lambda a, b: decay * a + (1 - decay) * b, old, now)
        cases.assert_close(ema, expected)
    assert not np.array_equal(*(jax.tree.leaves(s.ema['params'])[0] for s in (state, new)))


@pytest.mark.parametrize('name', ['r1_gamma', 'r2_gamma', 'gradient_penalty'])
def test_a_penalty_with_batch_normalization_is_refused(name):
    method = cases.method('gan_dcgan', **{name: 1.0})
    with pytest.raises(UserError, match=f'{name} penalizes .*discriminator.normalize=False'):
        jax.eval_shape(method.init, jax.random.key(0), (), cases.source().batch(0))
    without = cases.method('gan_dcgan', **{name: 1.0}, discriminator={'normalize': False})
    jax.eval_shape(without.init, jax.random.key(0), (), cases.source().batch(0))


@pytest.mark.parametrize('loss, expected', [('nonsaturating', 0.6), ('relativistic', 0.4)])
def test_augmentation_adapts_to_what_the_loss_compares(loss, expected):
    """All logits are positive, and those of generated images are larger."""
    section = {'kinds': ('brightness',), 'probability': 0.5, 'target': 0.5}
    section['adaptation_images'] = 240.0  # 24 images in four steps: a tenth.

    def discriminator_apply(variables, images, label, **how):
        del label, how
        is_real = jnp.abs(images[:, 0, 0, 0]) > 1e-6  # Generated images are 0.
        return variables['params']['w'] * jnp.where(is_real, 1.0, 2.0), {}

    states, _ = train(
        4,
        loss=loss,
        augment=section,
        learning_rate=0.0,
        v=0.0,
        discriminator_apply=discriminator_apply,
    )
    np.testing.assert_allclose(states[-1].control.probability, expected, rtol=1e-5)


def test_options_of_wrong_values_are_refused():
    for name in ('discriminator_steps', 'penalty_every_steps'):
        with pytest.raises(UserError, match=f'{name} is 0; set it to 1 or more'):
            train(1, **{name: 0})
    with pytest.raises(UserError, match=r"augment\.kind is not an option: did you mean 'kinds'"):
        train(1, augment={'kind': ('flip',)})


NETWORKS = {
    'perceptron': ({'features': (8,)}, {'features': (4,), 'pieces': 2}),
    'dcgan': ({'features': 4}, {'features': 4, 'normalize': False}),
    'residual': ({'features': (8, 4)}, {'features': (8, 4)}),
}
TINY = cases.source(shape=(4, 4, 1))


def tiny(network, loss):
    generator, discriminator = NETWORKS[network]
    section = {'name': 'gan', 'num_steps': 2, 'network': network, 'loss': loss}
    section |= {'r1_gamma': 1.0, 'latent_size': 4}
    return methods.make({**section, 'generator': generator, 'discriminator': discriminator})


@functools.cache
def tiny_state(network):
    init = jax.jit(tiny(network, 'hinge').init, compiler_options=QUICK)
    return init(jax.random.key(0), (), TINY.batch(0))


@pytest.mark.parametrize(
    ('network', 'loss'),
    [
        *(('perceptron', loss) for loss in adversarial.LOSSES),
        ('dcgan', 'hinge'),
        ('residual', 'hinge'),
    ],
)
def test_every_loss_and_every_network_moves_both_networks(network, loss):
    state = tiny_state(network)
    step = jax.jit(tiny(network, loss).phases[0].step, compiler_options=QUICK)
    new, metrics = step(jax.random.key(1), state, (), TINY.batch(0))
    assert all(value.shape == () and np.isfinite(value) for value in metrics.values())
    assert metrics['discriminator_gradient'] > 0 and metrics['generator_gradient'] > 0
    for name in ('generator', 'discriminator'):
        before, after = (getattr(which, name).params for which in (state, new))
        changed = jax.tree.map(lambda a, b: bool(jnp.any(a != b)), before, after)
        assert any(jax.tree.leaves(changed))


def test_a_conditional_generator_uses_the_class_or_draws_one():
    method, batch = cases.method('gan_perceptron'), cases.source().batch(0)
    state = jax.jit(method.init)(jax.random.key(0), (), batch)
    image_keys = jax.random.split(jax.random.key(1), 200)
    sample = jax.jit(
        lambda inputs: method.sample(image_keys, state, (), {'image': batch['image'], **inputs})
    )
    given = lambda label: {'label': jnp.full(200, label, jnp.int32)}
    by_class = jnp.stack([sample(given(label))['generated'] for label in range(10)])
    assert not jnp.allclose(by_class[3], by_class[4])
    drawn = latents.draw_labels(image_keys, 10)
    assert set(np.unique(drawn)) == set(range(10))
    np.testing.assert_allclose(sample({})['generated'], by_class[drawn, jnp.arange(200)], atol=1e-5)
    discriminator = state.discriminator.params
    assert any(leaf.shape == (10, 4) for leaf in jax.tree.leaves(discriminator))


def test_classes_without_labels_are_refused():
    method, batch = cases.method('gan_perceptron'), cases.source().batch(0)
    with pytest.raises(UserError, match=r"set config\.data\.labels to 'folders'"):
        jax.eval_shape(method.init, jax.random.key(0), (), {'image': batch['image']})


@pytest.mark.parametrize('name', ['gan_dcgan', 'growing_gan'])
def test_unknown_options_are_refused(name):
    with pytest.raises(UserError, match='no_such_option'):
        cases.method(name, no_such_option=1)


@pytest.mark.parametrize('method', [gan, growing_gan])
def test_logits_have_a_scale_unless_the_loss_is_wasserstein(method):
    for loss in adversarial.LOSSES:
        made = method.make({'num_steps': 2, 'loss': loss})
        assert made.logits_have_scale == (loss != 'wasserstein')


def aid(**changes):
    def apply(variables, images, **how):
        return Toy.discriminator_apply(variables, images, None)

    given = {'apply': apply, 'optimizer': optax.sgd(0.1), 'weight': 2.0, 'first_step': 0}
    return adversarial_step.Aid(**given | changes)


def test_an_aid_teaches_the_generator_from_its_first_step_on():
    alone = numbers(train(4)[0])
    states, metrics = train(4, aid=aid(first_step=2))
    aided = numbers(states)
    assert aided[:3] == alone[:3] and aided[3][0] != alone[3][0]
    heads = [float(state.heads.params['w']) for state in states]
    assert len(set(heads)) == len(heads)  # It learns before it teaches.
    assert {'aided_discriminator_loss', 'aided_generator_loss'} <= metrics[0].keys()


def test_an_aid_has_smoothed_labels_and_a_weight():
    real = BATCH['image'].mean((1, 2, 3))
    latent = latents.draw(keys.per_image(jax.random.key(0), 6), 4).mean(-1)

    def aid_loss(w):
        return adversarial.SMOOTHED.discriminator(w * real, w * 0.5 * latent).mean()

    w = 0.3 - 0.1 * jax.grad(aid_loss)(0.3)
    taught = jax.grad(lambda v: adversarial.SMOOTHED.generator(None, w * v * latent).mean())(0.5)
    gradients = []
    for weight in (0.0, 1.0, 2.0):
        states, metrics = train(1, aid=aid(weight=weight))
        np.testing.assert_allclose(metrics[0]['aided_discriminator_loss'], aid_loss(0.3), rtol=1e-5)
        np.testing.assert_allclose(states[1].heads.params['w'], w, rtol=1e-5)
        # Both discriminators pull in one direction, so that the norms of the gradients add up.
        gradients.append(metrics[0]['generator_gradient'])
    expected = jnp.abs(taught)
    np.testing.assert_allclose(np.diff(gradients), [expected, expected], rtol=1e-4)


FROZEN = {'network': 'alexnet', 'size': 48}


@pytest.mark.parametrize(
    'frozen, changes, sentence',
    [
        (
            {},
            {'augment': {'kinds': ('flip',), 'target': 0.6}},
            r'augment\.target follows one .* set config\.method\.augment\.target=0\.0',
        ),
        ({'size': 47}, {}, r'frozen\.size=47 is too small: set it to 48 or more'),
    ],
)
def test_what_a_frozen_network_cannot_do_is_refused(frozen, changes, sentence):
    section = {**cases.CONFIGS['gan_dcgan'], **changes, 'frozen': {**FROZEN, **frozen}}
    with pytest.raises(UserError, match=sentence):
        methods.make(section)
