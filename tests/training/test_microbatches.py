"""Microbatches: steps are those of whole batches and need less memory, or are refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from imggen import devices
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.training import loop, microbatches
from tests.helpers import cases

# Networks of all others have statistics of a batch, or they train none.
DIVIDED = {
    *(
        'bridge',
        'colorize',
        'flow_matching',
        'gan_perceptron',
        'gan_residual',
        'growing_gan',
        'latent_flow',
        'latent_flow_enlarged',
        'vae',
    ),
}


def shapes(name):
    method, batch = cases.method(name), cases.source_for(name).batch(0)
    return jax.eval_shape(method.init, jax.random.key(0), method.frozen, batch)


def check(size, state, *, batch_size=8, num_devices=4):
    microbatches.check(size, state, batch_size=batch_size, num_devices=num_devices)


@pytest.mark.parametrize('name', sorted(cases.CONFIGS))
def test_a_method_is_divided_or_refused(name):
    state = shapes(name)
    check(0, state)
    if name in DIVIDED:
        check(4, state)
    else:
        with pytest.raises(UserError, match=r'config\.run\.microbatch_size is for .* set it to 0'):
            check(4, state)


@pytest.mark.parametrize('size', [-4, 2, 3, 6, 16])
def test_a_size_must_fit_the_batch_and_the_devices(size):
    with pytest.raises(UserError, match=r'batch_size=8, and be a multiple .* devices, 4'):
        check(size, shapes('flow_matching'))


# Penalties differentiate twice; a label and a time go with every image of the flow.
@pytest.mark.parametrize('name', ['flow_matching', 'gan_perceptron', 'gan_residual'])
def test_a_divided_run_is_that_of_whole_batches(name):
    method, source, mesh = cases.method(name), cases.source_for(name), devices.make_mesh()
    whole = loop.run(method, source, seed=0, mesh=mesh)
    method = microbatches.stepping_in(4, method, platform='cpu')
    divided = loop.run(method, source, seed=0, mesh=mesh)
    cases.assert_close(divided.state, whole.state, rtol=1e-2, atol=1e-3)


def test_activations_of_one_part_are_in_memory():
    method = cases.method('gan_residual', generator={}, discriminator={})
    source = cases.source(shape=(32, 32, 1))
    batch = jax.tree.map(lambda leaf: jnp.tile(leaf, (4, *[1] * (leaf.ndim - 1))), source.batch(0))

    def temporary(size):
        step = microbatches.stepping_in(size, method, platform='cpu').phases[0].step
        state = jax.eval_shape(method.init, jax.random.key(0), (), batch)
        with jax.set_mesh(devices.mesh_over(1)):
            program = jax.jit(step).lower(jax.random.key(1), state, (), batch).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert temporary(4) < 0.4 * temporary(0)


class Noise(nn.Module):
    """Adds its own noise, and has a loss of its own."""

    @nn.compact
    def __call__(self, x, *, factor: float):
        scale = self.param('scale', nn.initializers.ones, ())
        self.sow('losses', 'scale', scale**2)
        return factor * x + scale * jax.random.normal(self.make_rng('noise'), x.shape)


def test_networks_that_draw_noise_and_sow_losses():
    def step(key, state, frozen, batch):
        x = batch['image']
        y, changed = Noise().apply(
            state, x, factor=2.0, rngs={'noise': key}, mutable=['batch_stats', 'losses']
        )
        return changed['losses'], {'noise': y - 2.0 * x}

    method = Method(lambda *_: {}, (Phase('train', 1, step),), lambda *_: {})
    state, batch = {'params': {'scale': 3.0}}, {'image': jnp.arange(48.0).reshape(8, 6)}
    (phase,) = microbatches.stepping_in(4, method, platform='cpu').phases
    with jax.set_mesh(devices.make_mesh()):
        losses, found = jax.jit(phase.step)(jax.random.key(0), state, (), batch)
    np.testing.assert_allclose(sum(jax.tree.leaves(losses)), 9.0)
    noise = np.asarray(found['noise'])
    assert len(np.unique(noise.round(3))) == noise.size  # Every image has its own.
    assert 2.0 < noise.std() < 4.0
