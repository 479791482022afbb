"""Dispatches: many steps in one call to the device.

A dispatch is a compiled loop whose trip count is an argument, so that a phase compiles once
however a run is cut. (`lax.scan` would compile anew for every length.) The host reads the
metrics of a dispatch after it has sent the next one, so that the device never waits for it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import devices
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.method import Phase

_NEVER = np.iinfo(np.int32).max


class Record(NamedTuple):
    """One dispatch and the means of its metrics.

    Attributes:
      step: the step at which it ended.
      phase: name of the phase.
      num_steps: number of steps.
      seconds: time for which the device worked on it.
      metrics: mean of each metric over the steps.
    """

    step: int
    phase: str
    num_steps: int
    seconds: float
    metrics: Mapping[str, float]


class NotFiniteError(UserError):
    """A metric became NaN or infinite."""

    def __init__(self, step: int, names: Sequence[str]):
        super().__init__(f'{" and ".join(names)} became NaN or infinite at step {step}')


def split(
    phases: Sequence[Phase], step: int, periods: Sequence[int]
) -> Iterator[tuple[Phase, int, int]]:
    """Yields (phase, first step, last step) of each dispatch from `step` to the end.

    A dispatch ends where a phase ends and at every multiple of a period; a period of 0 is none.
    """
    periods = [period for period in periods if period]
    phase_end = 0
    for phase in phases:
        phase_end += phase.num_steps
        while step < phase_end:
            last = min(phase_end, *((step // period + 1) * period for period in periods))
            yield phase, step, last
            step = last


class Programs(dict):
    """The compiled dispatch of each phase, by the name of the phase.

    Each maps (loop key, state, frozen, window, first, last) to (state, (sums, broken)): the sums
    of the metrics over the steps and, for each metric, the first step at which it was not finite.
    The old state is donated.
    """

    def __init__(self, source: Source, mesh: Mesh, state_sharding: NamedSharding):
        super().__init__()
        self._source, self._mesh, self._state_sharding = source, mesh, state_sharding

    def compile(self, phase: Phase, arguments) -> None:
        """Compiles the dispatch of a phase for the shapes of `arguments`."""
        dispatch = jax.jit(
            partial(_dispatch, phase.step, self._source.gather),
            donate_argnames='state',
            out_shardings=(self._state_sharding, NamedSharding(self._mesh, P())),
        )
        compiler_options = devices.compiler_options(self._mesh)
        self[phase.name] = dispatch.lower(*arguments).compile(compiler_options=compiler_options)


def _dispatch(step_fn, gather, loop_key, state, frozen, window, first, last):
    # Traced once for the names of its metrics and for the loop: an inner jit keeps the trace.
    @partial(jax.jit, inline=True)
    def step(index, state):
        batch = jax.lax.with_sharding_constraint(gather(window, index), P('data'))
        state, metrics = step_fn(jax.random.fold_in(loop_key, index), state, frozen, batch)
        return state, {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}

    def body(index, carry):
        state, sums, broken = carry
        state, metrics = step(index, state)
        sums = jax.tree.map(jnp.add, sums, metrics)
        broken = jax.tree.map(
            lambda first, value: jnp.where(jnp.isfinite(value), first, jnp.minimum(first, index)),
            broken,
            metrics,
        )
        return state, sums, broken

    metrics = jax.eval_shape(step, first, state)[1]
    sums = jax.tree.map(lambda leaf: jnp.zeros((), jnp.float32), metrics)
    broken = jax.tree.map(lambda leaf: jnp.int32(_NEVER), metrics)
    state, sums, broken = jax.lax.fori_loop(first, last, body, (state, sums, broken))
    return state, (sums, broken)


class Windows:
    """Places the windows of a source on the devices, each once."""

    def __init__(self, source: Source, mesh: Mesh):
        self._source, self._mesh = source, mesh
        self._first, self._placed = None, None
        self.periods = [] if source.max_window_steps is None else [source.max_window_steps]

    def at(self, step: int):
        """Returns the window that holds `step`."""
        steps = self.periods[0] if self.periods else None
        first = 0 if steps is None else step // steps * steps
        if first != self._first:
            self._first, self._placed = first, place(self._source, self._mesh, first, steps or 1)
        return self._placed


def place(source: Source, mesh: Mesh, first: int, num_steps: int):
    """Returns the window of steps [first, first + num_steps) on the devices."""
    put = devices.replicate if source.max_window_steps is None else devices.shard_window
    return put(mesh, source.window(first, num_steps))


class Reader:
    """Reads the metrics of each dispatch after the next one has been sent, and times it."""

    def __init__(self, observers: Sequence[Callable[[Record], None]]):
        self._observers = observers
        self._pending = None
        self._ready = 0.0

    def sent(self, phase: str, first: int, last: int, started: float, totals: Any) -> None:
        """Takes the totals of a dispatch that the device works on; reads those before it."""
        pending, self._pending = self._pending, (phase, first, last, started, totals)
        self._read(pending)

    def flush(self) -> None:
        """Waits for the last dispatch and reads it.

        Raises:
          NotFiniteError: a metric was not finite.
        """
        pending, self._pending = self._pending, None
        self._read(pending)

    def _read(self, pending) -> None:
        if pending is None:
            return
        phase, first, last, started, totals = pending
        sums, broken = jax.device_get(totals)
        seconds = time.perf_counter() - max(self._ready, started)
        self._ready = time.perf_counter()
        step = min(broken.values(), default=_NEVER)
        if step < _NEVER:
            raise NotFiniteError(int(step), [name for name in broken if broken[name] == step])
        metrics = {name: float(total) / (last - first) for name, total in sums.items()}
        for observe in self._observers:
            observe(Record(last, phase, last - first, seconds, metrics))


class StopVote:
    """Whether to stop: the same answer in all processes.

    Several processes vote on the device, before a dispatch is sent. By the time the dispatch
    before it has been read the votes are counted, and the device never waits for them.
    """

    def __init__(self, stop: Callable[[], bool], mesh: Mesh):
        self._stop = stop
        self._alone = jax.process_count() == 1
        self._sharding = NamedSharding(mesh, P('data'))
        self._any = jax.jit(jnp.any, out_shardings=NamedSharding(mesh, P()))

    def cast(self) -> None:
        """Casts the vote of this process."""
        if not self._alone:
            votes = np.full(len(self._sharding.mesh.local_devices), self._stop())
            votes = jax.make_array_from_process_local_data(self._sharding, votes)
            self._result = self._any(votes)

    def result(self) -> bool:
        """Returns whether any process voted to stop."""
        return self._stop() if self._alone else bool(self._result)
