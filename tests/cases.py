"""Every method at its smallest, with a batch: what the tests of all methods run over."""

import jax
import jax.numpy as jnp

from imggen import keys, methods
from imggen.data.source import Source

BATCH_SIZE = 8


def _batch(key, shape):
    image_key, label_key = jax.random.split(key)
    image = jax.random.uniform(image_key, (BATCH_SIZE, *shape), minval=-1.0, maxval=1.0)
    return {'image': image, 'label': jax.random.randint(label_key, (BATCH_SIZE,), 0, 10)}


CONFIGS = {
    'classifier': {'name': 'classifier', 'num_steps': 6, 'network': {'stages': (4, 8)}},
    'gan_dcgan': {
        'name': 'gan',
        'num_steps': 6,
        'network': 'dcgan',
        'generator': {'features': 4},
        'discriminator': {'features': 4},
        'latent_size': 4,
    },
    'gan_residual': {
        'name': 'gan',
        'num_steps': 6,
        'network': 'residual',
        'loss': 'relativistic',
        'r1_gamma': 1.0,
        'r2_gamma': 1.0,
        'gamma_end': 0.1,
        'generator': {'features': (8, 4), 'group_size': 4},
        'discriminator': {'features': (8, 4), 'group_size': 4},
        'latent_size': 4,
        'b1': 0.0,
        'b2': 0.9,
        'b2_end': 0.99,
    },
}
SHAPE = (8, 8, 1)


def method(name: str, *, axis_name: str | None = None, **changes):
    """Returns the method of one case."""
    return methods.make({**CONFIGS[name], **changes}, axis_name=axis_name)


def source(*, seed: int = 0, shape=SHAPE) -> Source:
    """Returns random images as a function of (seed, step)."""
    key = keys.stream(seed, 'data')

    def gather(window, step):
        del window
        return _batch(jax.random.fold_in(key, step), shape)

    return Source(window=lambda first, count: (), gather=gather, description='noise')


def assert_equal_bits(actual, expected) -> None:
    """Fails unless two pytrees hold the same bits."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(actual), jax.tree.leaves(expected), strict=True)
    for (path, a), b in pairs:
        assert a.dtype == b.dtype
        assert jnp.array_equal(a, b), f'{jax.tree_util.keystr(path)} differs'


def assert_close(actual, expected, *, rtol=2e-4, atol=2e-5) -> None:
    """Fails unless two pytrees agree to float tolerance."""
    pairs = zip(jax.tree_util.tree_leaves_with_path(actual), jax.tree.leaves(expected), strict=True)
    for (path, a), b in pairs:
        assert jnp.allclose(a, b, rtol=rtol, atol=atol), (
            f'{jax.tree_util.keystr(path)} differs by {jnp.abs(a - b).max()}'
        )
