"""Microbatches: networks see a batch in parts, so that memory holds the activations of one part.

Losses and penalties see the outputs for the whole batch, so that a step is the same up to
rounding, whatever its loss is. The backward pass computes the activations of each part again.
What lies outside of networks is not divided, nor are frozen networks.
"""

import functools

import jax
from flax import linen as nn
from jax.sharding import PartitionSpec as P

from imggen.errors import UserError
from imggen.method import Method, StepFn
from imggen.networks.conv import layers
from imggen.train_state import is_network

_OPTION = 'config.run.microbatch_size'


def check(size: int, state, *, batch_size: int, num_devices: int) -> None:
    """Checks the size of microbatches, in images; 0 is the whole batch.

    Raises:
      UserError: a network of this state, or shapes, has statistics of the whole batch; there is
        none; the size divides no batch, or the devices do not divide it.
    """
    if not size:
        return
    if size < 0 or batch_size % size or size % num_devices:
        raise UserError(
            f'{_OPTION}={size} must divide config.data.batch_size={batch_size}, and be a multiple '
            f'of the number of devices, {num_devices}.'
        )
    networks = [part for part in jax.tree.leaves(state, is_leaf=is_network) if is_network(part)]
    if not networks:
        raise UserError(f'{_OPTION} is for methods that train a network: set it to 0.')
    if any(jax.tree.leaves(network.batch_stats) for network in networks):
        raise UserError(
            f'{_OPTION} is for networks without batch normalization and spectral normalization, '
            'and this method has one: set it to 0, or config.data.batch_size to less.'
        )


def stepping_in(size: int, method: Method, *, platform: str) -> Method:
    """Returns the method with steps whose networks see `size` images at once; 0 for all.

    `platform` is that of the devices, such as 'cpu'.
    """

    def in_parts(step: StepFn) -> StepFn:
        def step_in_parts(key, state, frozen, batch):
            with nn.intercept_methods(_in_parts(size)), layers.compiled_for(platform):
                return step(key, state, frozen, batch)

        return step_in_parts

    if not size:
        return method
    phases = (phase._replace(step=in_parts(phase.step)) for phase in method.phases)
    return method._replace(phases=tuple(phases))


def _in_parts(size: int):
    """Returns an interceptor that calls networks, as opposed to their layers, on parts."""
    is_inside = False

    def intercept(call, args, kwargs, context):
        nonlocal is_inside
        leaves, structure = jax.tree.flatten((args, kwargs))
        count = max((len(leaf) for leaf in leaves if _is_array(leaf)), default=0)
        name = context.method_name
        is_layer = context.module.path or (name.startswith('_') and name != '__call__')
        if is_inside or is_layer or count <= size:
            return call(*args, **kwargs)
        if count % size:
            raise UserError(f'{_OPTION}={size} does not divide a batch of {count} images.')

        def rejoined(divided):
            divided = iter(divided)
            whole = (next(divided) if _is_divided(leaf, count) else leaf for leaf in leaves)
            return structure.unflatten(whole)

        is_inside = True
        try:
            divided = [leaf for leaf in leaves if _is_divided(leaf, count)]
            return _map(context.module, name, rejoined, divided, size)
        finally:
            is_inside = False

    return intercept


def _map(module: nn.Module, method: str, rejoined, divided: list[jax.Array], size: int):
    """Calls a method of a network on parts of the arrays `divided`, one after the other."""
    network, variables = module.unbind()
    count = len(divided[0]) // size
    noise = jax.random.split(module.make_rng('noise'), count) if module.has_rng('noise') else None

    # Nothing of a part is kept for the backward pass but its inputs.
    @functools.partial(jax.checkpoint, prevent_cse=False)
    def part(arguments):
        key, divided = arguments
        args, kwargs = rejoined(divided)
        return network.apply(
            variables,
            *args,
            method=method,
            rngs={} if key is None else {'noise': key},
            mutable=['losses'],
            **kwargs,
        )

    # Image i belongs to part i % count, so that each device divides the images that it has.
    divided = [leaf.reshape(size, count, *leaf.shape[1:]).swapaxes(0, 1) for leaf in divided]
    divided = jax.lax.with_sharding_constraint(divided, P(None, 'data'))
    outputs, changed = jax.lax.map(part, (noise, divided))
    for loss in jax.tree.leaves(changed):
        module.sow('losses', 'loss', loss.mean(0))
    return jax.tree.map(
        lambda leaf: leaf.swapaxes(0, 1).reshape(size * count, *leaf.shape[2:]), outputs
    )


def _is_array(leaf) -> bool:
    return isinstance(leaf, jax.Array) and leaf.ndim > 0


def _is_divided(leaf, count: int) -> bool:
    return _is_array(leaf) and len(leaf) == count
