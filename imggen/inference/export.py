"""A trained method as a program that JAX runs without this package.

The program is StableHLO, serialized by `jax.export` together with its weights. It holds one
version for each platform, and the number of images stays open. Functions of one image are
exported and mapped over the images, since image i of a method depends on key i alone.

A generator is (seeds uint32 [n], latent=float32 [n, latent_size], label=int32 [n],
guidance=float32 [n]) -> images float32 [n, height, width, channels] in [-1, 1]; it lacks the
arguments that its method lacks.
A translation is (seeds uint32 [n], input=float32 [n, height, width, channels]) -> images
[n, scale * height, scale * width, channels], for heights and widths that are multiples of 32.
"""

import jax
import jax.numpy as jnp
from jax import export
from jax.sharding import PartitionSpec as P

from imggen.errors import UserError
from imggen.workdir.restore import Restored

PLATFORMS = ('cpu', 'cuda', 'tpu')


def check(restored: Restored) -> None:
    """Raises UserError if a run leaves no network that makes images."""
    method, name = restored.method, restored.config['method']['name']
    if method.output is None:
        raise UserError(f'the method {name!r} makes no images: export the run of a generator.')
    if method.num_images is not None or method.state_spec != P():
        raise UserError(
            f'the method {name!r} searches for images and leaves no network that makes others: '
            'share the images themselves.'
        )


def program(restored: Restored) -> export.Exported:
    """Compiles the sampler or the translation of a run, with its weights, for all PLATFORMS.

    Raises:
      UserError: the run holds no network that makes images.
    """
    check(restored)
    method, state = restored.method, jax.device_get(restored.state)
    example = {name: jnp.zeros_like(leaf[:1]) for name, leaf in restored.batch.items()}

    def one(seed, given):
        batch = example | {name: leaf[None] for name, leaf in given.items()}
        if method.translation is not None:
            batch = {'input': batch['input']}
        image_keys = jax.random.key(seed)[None]
        return method.sample(image_keys, state, method.frozen, batch)[method.output][0]

    def make(seeds, **given):
        return jax.vmap(one)(seeds, given)

    return export.export(jax.jit(make), platforms=PLATFORMS)(**arguments(restored))


def arguments(restored: Restored) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of a program's arguments by name; n, height and width are symbols."""
    method = restored.method
    n, height, width = export.symbolic_shape('n, 32*h, 32*w')
    shapes = {'seeds': ((n,), jnp.uint32)}
    if method.translation is not None:
        channels = restored.batch.get('input', restored.batch.get('image')).shape[-1]
        shapes['input'] = ((n, height, width, channels), jnp.float32)
    if method.latent_size is not None:
        shapes['latent'] = ((n, method.latent_size), jnp.float32)
    if method.num_classes is not None:
        shapes['label'] = ((n,), jnp.int32)
    if method.guidance not in (None, 1.0):  # At 1 a step would take two evaluations for nothing.
        shapes['guidance'] = ((n,), jnp.float32)
    return {name: jax.ShapeDtypeStruct(*shape) for name, shape in shapes.items()}
