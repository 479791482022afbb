"""CPU time of checksums next to the save that they belong to.

python -m benchmarks.checksums
"""

import pathlib
import statistics
import tempfile
import time

import jax
import jax.numpy as jnp

from imggen.workdir import checksums
from imggen.workdir.checkpoint import Checkpoints

_MEGABYTES = (0.2, 2, 20, 200)
_SAVES = 15


def main():
    print('| state, MB | save without, ms of CPU | checksums, ms | share |')
    print('| ---: | ---: | ---: | ---: |')
    for megabytes in _MEGABYTES:
        with tempfile.TemporaryDirectory() as folder:
            state = {'weights': jax.random.normal(jax.random.key(0), (int(megabytes * 250_000),))}
            jax.block_until_ready(state)
            times = [_times(pathlib.Path(folder), state) for _ in range(_SAVES)]
        whole, sums = (1e3 * statistics.median(part) for part in zip(*times, strict=True))
        save = whole - sums
        print(f'| {megabytes} | {save:.1f} | {sums:.1f} | {sums / save:.1%} |')


def _times(folder: pathlib.Path, state) -> tuple[float, float]:
    """Returns the CPU seconds of a save and those of its checksums."""
    checkpoints = Checkpoints(folder)
    step = (checkpoints.newest or 0) + 1
    started = time.process_time()
    checkpoints.save(step, jax.tree.map(jnp.copy, state))
    checkpoints.wait()
    saved = time.process_time()
    checksums.write(folder / str(step))
    return saved - started, time.process_time() - saved


if __name__ == '__main__':
    main()
