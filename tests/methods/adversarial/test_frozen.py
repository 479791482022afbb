"""A second discriminator, on the features of a frozen network."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from imggen.errors import UserError
from imggen.features import layers
from imggen.methods.adversarial import frozen
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases

QUICK = {'xla_backend_optimization_level': 0}  # Programs that run twice: compilation counts.


class Tiny:
    """A frozen network of two convolutions, which compiles in a second."""

    @staticmethod
    def pretrained():
        kernels = (layers.he_normal(jax.random.key(i), (3, 3, 3, 3)) for i in range(2))
        return [
            {'kernel': np.asarray(kernel), 'bias': np.zeros(3, np.float32)} for kernel in kernels
        ]

    @staticmethod
    def activations(params, images, names):
        first = jax.nn.relu(layers.conv(layers.rgb(images), params[0], stride=4))
        second = jax.nn.relu(layers.conv(first, params[1], stride=2))
        return {name: {'first': first, 'second': second}[name] for name in names}


def test_a_resumed_run_is_the_same_and_its_state_has_no_frozen_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(frozen.NETWORKS, 'tiny', (Tiny, ('first', 'second')))
    options = {'network': 'tiny', 'size': frozen.MIN_SIZE, 'features': 2, 'warmup': 0.5}
    # The heads leave the labels to the usual discriminator.
    made = cases.method('gan_dcgan', num_steps=3, num_classes=10, frozen=options)
    source = cases.source()
    compiled = functools.partial(jax.jit, compiler_options=QUICK)
    step = compiled(made.phases[0].step)

    def advance(state, index):
        return step(jax.random.key(index), state, made.frozen, source.batch(index))

    states = [compiled(made.init)(jax.random.key(9), made.frozen, source.batch(0))]
    for index in range(2):
        state, metrics = advance(states[-1], index)
        assert all(np.isfinite(value) for value in metrics.values())
        assert metrics['generator_gradient'] > 0
        states.append(state)
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(1, states[1])
    resumed, _ = advance(checkpoints.restore(states[1]), 1)
    cases.assert_equal_bits(resumed, states[2])

    # Kernels of 3 x 3 are in the frozen network alone.
    kernels = [leaf.shape for leaf in jax.tree.leaves(made.frozen['network'])]
    assert (3, 3, 3, 3) in kernels
    assert (3, 3, 3, 3) not in {leaf.shape for leaf in jax.tree.leaves(state)}
    assert 'aided_generator_loss' in metrics
    heads = [each.heads.params for each in states]
    moved = jax.tree.map(lambda old, new: bool(jnp.any(old != new)), heads[0], heads[1])
    assert all(jax.tree.leaves(moved))


@pytest.mark.parametrize('network', frozen.NETWORKS)
def test_every_network_works_at_the_smallest_size(network):
    config = frozen.Config(network=network, size=frozen.MIN_SIZE, features=1)
    try:
        heads = frozen.make(config, axis_name=None)
    except UserError as error:
        pytest.skip(str(error))

    def judge(frozen, images):
        variables = heads.init(jax.random.key(0), frozen, images)
        return heads.apply(frozen, variables, images, train=False)

    logits = jax.eval_shape(judge, heads.frozen, jnp.zeros((2, 9, 7, 1)))
    assert logits.shape[0] == 2 and logits.shape[1] >= 4  # One or more of each map.
