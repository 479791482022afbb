"""What the benchmarks of training steps share: our side of a comparison, and its process."""

import ctypes
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from absl import app

from imggen import devices, methods
from imggen.data.source import Source
from imggen.training import loop

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # Of glibc's malloc.h.


def time_training(
    section: Mapping[str, Any], source: Source, *, dispatch_steps: int
) -> dict[str, Any]:
    """Trains a method through `loop.run`; times all dispatches but the first.

    Args:
      section: config.method of a method whose state has a generator and a discriminator.
      source: the training data.
      dispatch_steps: number of steps in one dispatch.

    Returns:
      `seconds` of the timed steps; `start`, the seconds before the first step (initialization,
      tracing, compilation); `parameters` of both networks, `version` and `hardware`.
    """
    records = []
    start = time.perf_counter()
    result = loop.run(
        methods.make(section),
        source,
        seed=0,
        mesh=devices.make_mesh(devices=jax.devices()[:1]),
        log_every_steps=dispatch_steps,
        observers=[records.append],
    )
    total = time.perf_counter() - start
    networks = (result.state.generator, result.state.discriminator)
    return {
        'seconds': sum(record.seconds for record in records[1:]),
        'start': total - sum(record.seconds for record in records),
        'parameters': [sum(leaf.size for leaf in jax.tree.leaves(p.params)) for p in networks],
        'version': f'JAX {jax.__version__}',
        'hardware': devices.hardware(),
    }


def run(command: Sequence[str]) -> dict[str, Any]:
    """Runs one side in a process of its own; returns the JSON object of its last line."""
    environment = os.environ | {'JAX_ENABLE_COMPILATION_CACHE': 'false'}
    output = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return json.loads(output.splitlines()[-1])


def use_cores(count: int | None) -> None:
    """Limits this process, and those that it starts, to `count` cores; None means all cores."""
    if count:
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def keep_freed_memory() -> None:
    """Makes glibc keep freed memory instead of giving it back to the system.

    Raises:
      UsageError: the C library has no mallopt.
    """
    library = ctypes.CDLL(None)
    if not hasattr(library, 'mallopt'):
        raise app.UsageError('--mallopt needs glibc.')
    library.mallopt(_M_MMAP_THRESHOLD, 2**30)
    library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
