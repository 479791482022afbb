"""Networks that draw noise and add terms to their own loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from imggen import keys, methods, train_state
from imggen.losses import adversarial
from imggen.methods.adversarial import gan, update
from tests.helpers import cases

QUICK = {'xla_backend_optimization_level': 0}


class Noise(nn.Module):
    """Adds noise of a learned scale."""

    @nn.compact
    def __call__(self, x):
        scale = self.param('scale', nn.initializers.ones, ())
        self.sow('losses', 'scale', 1e-3 * scale**2)
        return x + scale * jax.random.normal(self.make_rng('noise'), x.shape)


class NoisyGenerator(nn.Module):
    shape: tuple[int, int, int]
    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, latent, label=None, *, train):
        del label, train
        x = Noise()(nn.Dense(8)(latent))
        x = Noise()(nn.Dense(np.prod(self.shape))(nn.relu(x)))
        return jnp.tanh(x).reshape(-1, *self.shape)


class PenalizedDiscriminator(nn.Module):
    """A linear discriminator that keeps its logits small."""

    num_classes: int = 0
    axis_name: str | None = None

    @nn.compact
    def __call__(self, images, label=None, *, train):
        del label, train
        logits = nn.Dense(1)(images.reshape(len(images), -1))[:, 0]
        self.sow('losses', 'logits', 0.1 * jnp.mean(logits**2))
        return logits


@pytest.fixture(scope='module')
def method():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(gan.NETWORKS, 'noisy', (NoisyGenerator, PenalizedDiscriminator))
        section = {'name': 'gan', 'network': 'noisy', 'num_steps': 4, 'latent_size': 4}
        yield methods.make(section)


@pytest.fixture(scope='module')
def begun(method):
    batch = cases.source().batch(0)
    return batch, jax.jit(method.init, compiler_options=QUICK)(jax.random.key(0), (), batch)


def test_sowed_losses_are_metrics_and_no_part_of_the_state(method, begun):
    batch, state = begun
    assert state.generator.batch_stats == {} and set(state.ema) == {'params'}
    step = jax.jit(method.phases[0].step, compiler_options=QUICK)
    new, metrics = step(jax.random.key(1), state, (), batch)
    assert jax.tree.structure(new) == jax.tree.structure(state)
    # The scales of both layers start at 1.
    np.testing.assert_allclose(metrics['generator_auxiliary'], 2e-3, rtol=1e-5)
    assert metrics['discriminator_auxiliary'] > 0


def test_samples_with_noise_depend_on_their_key_alone(method, begun):
    batch, state = begun
    sample = jax.jit(method.sample, compiler_options=QUICK)
    latent = {**batch, 'latent': jnp.ones((6, 4))}
    image_keys = keys.per_image(jax.random.key(1), 6)
    many = sample(image_keys, state, (), latent)['generated']
    few = sample(image_keys[2:4], state, (), {**latent, 'latent': jnp.ones((2, 4))})['generated']
    np.testing.assert_allclose(few, many[2:4], atol=1e-6)
    assert not np.allclose(many[0], many[1])  # The latents are equal; the noise is not.


@pytest.mark.parametrize('r1_gamma', [0.0, 2.0])
def test_what_a_discriminator_sows_joins_its_loss(r1_gamma):
    images = jax.random.normal(jax.random.key(0), (2, 5, 4, 4, 1))
    module = PenalizedDiscriminator()
    variables = module.init(jax.random.key(1), images[0], train=True)
    discriminate = update.Discriminate(
        lambda variables, images, **how: module.apply(variables, images, train=True, **how),
        jax.random.key(2),
    )

    def loss_fn(params):
        return update.discriminator_loss(
            params,
            {},
            discriminate,
            *images,
            loss=adversarial.LOSSES['nonsaturating'],
            penalties=update.Penalties(r1_gamma=r1_gamma),
            weight=1,
            gamma_scale=1.0,
        )[0]

    def expected(params):
        logits = images.reshape(2, 5, -1) @ params['Dense_0']['kernel'][:, 0]
        logits = logits + params['Dense_0']['bias'][0]
        own = 0.1 * jnp.mean(logits[0] ** 2) + 0.1 * jnp.mean(logits[1] ** 2)
        r1 = r1_gamma / 2 * jnp.sum(params['Dense_0']['kernel'] ** 2)
        loss = adversarial.binary_cross_entropy(*logits).mean()
        return loss + own + r1

    params = variables['params']
    np.testing.assert_allclose(loss_fn(params), expected(params), rtol=1e-5)
    cases.assert_close(jax.grad(loss_fn)(params), jax.grad(expected)(params), atol=1e-5)


def test_what_a_generator_sows_joins_its_loss():
    """With a loss of 0 on its images, the sowed loss alone moves it."""
    module, latent = NoisyGenerator(shape=(2, 2, 1)), jnp.ones((3, 4))
    optimizer = optax.sgd(1.0)
    state = train_state.create(module.init(jax.random.key(0), latent, train=True), optimizer)

    def apply(variables, **how):
        return module.apply(variables, latent, train=True, **how)

    generated = update.generate(jax.random.key(1), apply, state, axis_name=None)
    other = update.generate(jax.random.key(2), apply, state, axis_name=None)
    assert not np.allclose(generated.images, other.images)  # Each step draws its own noise.
    new, metrics = update.update_generator(
        state,
        generated,
        lambda images: (0.0 * images.sum(), {}),
        optimizer=optimizer,
        axis_name=None,
    )
    np.testing.assert_allclose(metrics['generator_auxiliary'], 2e-3, rtol=1e-5)
    for name in ('Noise_0', 'Noise_1'):
        np.testing.assert_allclose(new.params[name]['scale'], 1.0 - 2e-3, rtol=1e-5)
    assert jnp.array_equal(new.params['Dense_0']['kernel'], state.params['Dense_0']['kernel'])
