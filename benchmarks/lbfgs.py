"""CPU time of a direction of L-BFGS next to the two-loop recursion of Optax.

python -m benchmarks.lbfgs
"""

import time

import jax
import jax.numpy as jnp
import optax

from imggen.methods.style import lbfgs

_SHAPE = (192, 256, 3)
_ROUNDS = 20


def main():
    print('| image | pairs | two loops, ms of CPU | compact form, ms of CPU |')
    print('| --- | ---: | ---: | ---: |')
    for pairs in (10, 100):
        times = [_milliseconds(side, pairs) for side in (_two_loops, _compact)]
        print(f'| {" x ".join(map(str, _SHAPE))} | {pairs} | {times[0]:.1f} | {times[1]:.1f} |')


def _two_loops(pairs):
    transform = optax.scale_by_lbfgs(pairs)

    def direction(state, image):
        return transform.update(image * jnp.abs(image), state, image)

    return transform.init(jnp.zeros(_SHAPE)), direction


def _compact(pairs):
    size = jnp.zeros(_SHAPE).size

    def direction(memory, image):
        gradient = (image * jnp.abs(image)).ravel()
        found, memory = lbfgs.precondition(memory, image.ravel(), gradient, gradient, when=True)
        return found.reshape(image.shape), memory

    return lbfgs.empty(pairs, size), direction


def _milliseconds(side, pairs) -> float:
    """Returns the time of a direction, with a full memory that is updated in place."""
    state, direction = side(pairs)

    def some(state, image):
        def step(_, carried):
            found, state = direction(*carried)
            return state, image + 1e-3 * jnp.tanh(found)  # Another image for every step.

        return jax.lax.fori_loop(0, _ROUNDS, step, (state, image))

    run = jax.jit(some, donate_argnums=(0, 1))
    state = jax.tree.map(jnp.copy, state)  # Its leaves may share a buffer, which cannot be donated.
    carried = (state, jax.random.normal(jax.random.key(0), _SHAPE))
    for _ in range(1 + pairs // _ROUNDS):  # They compile, and fill the memory.
        carried = jax.block_until_ready(run(*carried))
    start = time.process_time()
    jax.block_until_ready(run(*carried))
    return 1e3 * (time.process_time() - start) / _ROUNDS


if __name__ == '__main__':
    main()
