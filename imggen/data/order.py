"""The order of a shuffled data set as a pure function of (key, step).

Step s reads the positions s * batch_size + j of an endless stream, which runs through the set
once in each epoch, each time in another order. Nothing is stored and nothing is sorted: position
p of epoch e is looked up in a keyed bijection of [0, n). Any step can therefore be computed at
any time, inside the compiled step.

The bijection is a Feistel network over a product of two residue classes (Black and Rogaway,
"Ciphers with Arbitrary Finite Domains", CT-RSA 2002). With a = ceil(sqrt(n)) and b = ceil(n / a),
write x in [0, ab) as (l, r), x = l * b + r. The rounds alternate

    l <- (l + F(k_i, r)) mod a        r <- (r + F(k_i, l)) mod b

Each of them is invertible, whatever F is. F is a 32-bit finalizer with full avalanche (Appleby's
MurmurHash3) of its argument and the round's key; the round keys of an epoch are
`jax.random.bits(fold_in(key, epoch))`. A value in [n, ab) goes through the network again until it
falls below n ("cycle walking"), which restricts the bijection to [0, n). Because ab - n < a, this
concerns at most one value in about sqrt(n), so the loop rarely runs twice.

It is a shuffle, not a cipher: it makes no claim of secrecy.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

_ROUNDS = 8
_MAX_EXAMPLES = 2**30


class Domain(NamedTuple):
    """A set of `size` examples within a product of two residue classes, size <= rows * columns."""

    size: jax.Array  # uint32 [], like the others.
    rows: jax.Array
    columns: jax.Array


@functools.partial(jax.jit, static_argnames=('batch_size', 'num_examples'))
def indices(key: jax.Array, step: jax.Array, *, batch_size: int, num_examples: int) -> jax.Array:
    """Returns which examples a step reads.

    Each epoch reads every example once. A batch may span the end of an epoch, and it spans
    several epochs if the set is smaller than the batch.

    Args:
      key: decides the order.
      step: int32 scalar in [0, 2^31 - 1].
      batch_size: number of examples that a step reads.
      num_examples: size of the set, at most 2^30.

    Returns:
      int32 [batch_size], each in [0, num_examples).
    """
    if not 0 < num_examples <= _MAX_EXAMPLES:
        raise ValueError(f'num_examples must lie in [1, 2^30], not {num_examples}.')
    size = jnp.uint32(num_examples)
    epoch, offset = start(jnp.asarray(step).astype(jnp.uint32), batch_size, size)
    position = offset + jnp.arange(batch_size, dtype=jnp.uint32)
    # A batch spans few epochs, so the round keys of each are made once.
    num_epochs = (num_examples - 1 + batch_size - 1) // num_examples + 1
    epochs = epoch + jnp.arange(num_epochs, dtype=jnp.uint32)
    round_keys = jax.vmap(
        lambda number: jax.random.bits(jax.random.fold_in(key, number), (_ROUNDS,), jnp.uint32)
    )(epochs)
    return permute(round_keys[position // size], position % size, domain(num_examples))


def domain(num_examples: int) -> Domain:
    """Returns the smallest near-square domain of a set."""
    rows = math.isqrt(num_examples - 1) + 1
    return Domain(*map(jnp.uint32, (num_examples, rows, -(-num_examples // rows))))


def permute(round_keys: jax.Array, positions: jax.Array, domain: Domain) -> jax.Array:
    """Maps positions by the bijection of [0, domain.size) that the keys determine.

    Args:
      round_keys: uint32 [n, rounds], a row for each position; the number of rounds is even.
      positions: uint32 [n], each in [0, domain.size).

    Returns:
      int32 [n].
    """

    def network(value):
        left, right = value // domain.columns, value % domain.columns
        for number in range(0, round_keys.shape[1], 2):
            left = (left + _mix(right ^ round_keys[:, number]) % domain.rows) % domain.rows
            right = (right + _mix(left ^ round_keys[:, number + 1]) % domain.columns) % (
                domain.columns
            )
        return left * domain.columns + right

    def walk(carry):
        value, walking = carry
        value = jnp.where(walking, network(value), value)
        return value, value >= domain.size

    everywhere = jnp.ones(positions.shape, bool)
    value, _ = jax.lax.while_loop(lambda carry: jnp.any(carry[1]), walk, (positions, everywhere))
    return value.astype(jnp.int32)


def start(step: jax.Array, batch_size: int, size: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the epoch and the offset within it at which a step begins, uint32 scalars.

    They are the quotient and the remainder of step * batch_size divided by size, although the
    product need not fit into 32 bits. Since `size` steps are exactly `batch_size` epochs,
    step = q * size + r gives epoch = q * batch_size + (r * batch_size) div size. The last product
    is computed bit by bit, with a carry into the epoch whenever the offset passes the size.
    Epochs count modulo 2^32.
    """
    quotient, remainder = step // size, step % size

    def carry(epoch, offset):
        over = offset >= size
        return epoch + over.astype(jnp.uint32), jnp.where(over, offset - size, offset)

    epoch, offset = jnp.uint32(0), jnp.uint32(0)
    for bit in f'{batch_size:b}':
        epoch, offset = carry(2 * epoch, 2 * offset)
        if bit == '1':
            epoch, offset = carry(epoch, offset + remainder)
    return quotient * jnp.uint32(batch_size) + epoch, offset


def _mix(value):
    """Mixes uint32 so that every bit of the input affects every bit of the output."""
    value = (value ^ (value >> 16)) * jnp.uint32(0x85EBCA6B)
    value = (value ^ (value >> 13)) * jnp.uint32(0xC2B2AE35)
    return value ^ (value >> 16)
