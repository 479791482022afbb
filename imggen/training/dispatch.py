"""Dispatches: many steps in one call to the device.

A dispatch is a compiled loop whose trip count is an argument, so that a phase compiles once
however a run is cut. (`lax.scan` would compile anew for every length.) A record is one dispatch, or
several of about a second each where that takes longer, so that a signal is soon answered. The sums
of the metrics go from one dispatch to the next: where a record is cut changes no bit. The host
reads them after it has sent the next dispatch, so that the device never waits for it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import devices, train_state
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.method import Phase

_NEVER = np.iinfo(np.int32).max
_SECONDS = 1.0  # That a dispatch should take.
_POLL_SECONDS = 0.001


class Record(NamedTuple):
    """The means of the metrics over some steps.

    Attributes:
      step: the step at which they ended.
      phase: name of the phase.
      num_steps: number of steps.
      seconds: time for which the device worked on them.
      metrics: mean of each metric over the steps.
      waiting: share of the time in which the device waited for input; 0 for a set that lies there.
    """

    step: int
    phase: str
    num_steps: int
    seconds: float
    metrics: Mapping[str, float]
    waiting: float = 0.0


class NotFiniteError(UserError):
    """Something became NaN or infinite.

    Attributes:
      step: where.
      names: what: metrics, parts of the state, the data.
    """

    def __init__(self, step: int, names: Sequence[str]):
        super().__init__(f'{" and ".join(names)} became NaN or infinite at step {step}')
        self.step, self.names = step, list(names)


def split(
    phases: Sequence[Phase], step: int, periods: Sequence[int], *, ends: Sequence[int] = ()
) -> Iterator[tuple[Phase, int, int]]:
    """Yields (phase, first step, last step) of each record from `step` to the end.

    A record ends where a phase ends, at every multiple of a period, and at the steps `ends`; a
    period of 0 is none.
    """
    periods = [period for period in periods if period]
    phase_end = 0
    for phase in phases:
        phase_end += phase.num_steps
        while step < phase_end:
            following = [(step // period + 1) * period for period in periods]
            last = min(phase_end, *following, *(end for end in ends if end > step))
            yield phase, step, last
            step = last


class Totals(NamedTuple):
    """What a record adds up.

    Attributes:
      sums: sum of each metric, float32.
      broken: for each metric, the first step at which it was not finite, int32.
    """

    sums: Mapping[str, jax.Array]
    broken: Mapping[str, jax.Array]


class Programs:
    """The compiled dispatch of each phase.

    `shapes` are those of the state, with shardings.
    """

    def __init__(self, source: Source, mesh: Mesh, shapes):
        self._source, self._mesh = source, mesh
        self._shardings = jax.tree.map(lambda leaf: leaf.sharding, shapes)
        self._programs, self._zeros = {}, {}

    def __contains__(self, phase: Phase) -> bool:
        return phase.name in self._programs

    def zeros(self, phase: Phase) -> Totals:
        """Returns what a record of a compiled phase begins with."""
        return self._zeros[phase.name]

    def compile(self, phase: Phase, loop_key, state, frozen, window) -> jax.stages.Compiled:
        """Compiles the dispatch of a phase for the shapes of the arguments, and returns it."""
        # The program traces no step again: an inner jit keeps the trace.
        step = jax.jit(partial(_step, phase.step, self._source.gather), inline=True)
        index = devices.replicate(self._mesh, np.int32(0))
        names = jax.eval_shape(step, loop_key, index, state, frozen, window)[1]
        replicated = NamedSharding(self._mesh, P())
        zeros = Totals(
            {name: np.float32(0.0) for name in names}, {name: np.int32(_NEVER) for name in names}
        )
        zeros = self._zeros[phase.name] = jax.device_put(zeros, replicated)
        dispatch = jax.jit(
            partial(_dispatch, step),
            donate_argnames='state',
            out_shardings=(self._shardings, replicated),
        )
        lowered = dispatch.lower(loop_key, state, frozen, window, index, index, zeros)
        compiler_options = devices.compiler_options(self._mesh)
        program = lowered.compile(compiler_options=compiler_options)
        self._programs[phase.name] = program
        return program

    def run(self, phase: Phase, loop_key, state, frozen, window, first: int, last: int, totals):
        """Runs the steps [first, last); returns the state and the totals. `state` is donated."""
        bounds = devices.replicate(self._mesh, (np.int32(first), np.int32(last)))
        return self._programs[phase.name](loop_key, state, frozen, window, *bounds, totals)


def _step(step_fn, gather, loop_key, index, state, frozen, window):
    batch = jax.lax.with_sharding_constraint(gather(window, index), P('data'))
    state, metrics = step_fn(jax.random.fold_in(loop_key, index), state, frozen, batch)
    return state, {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}


def _dispatch(step, loop_key, state, frozen, window, first, last, totals):
    def body(index, carry):
        state, (sums, broken) = carry
        state, metrics = step(loop_key, index, state, frozen, window)
        sums = jax.tree.map(jnp.add, sums, metrics)
        broken = jax.tree.map(
            lambda first, value: jnp.where(jnp.isfinite(value), first, jnp.minimum(first, index)),
            broken,
            metrics,
        )
        return state, Totals(sums, broken)

    return jax.lax.fori_loop(first, last, body, (train_state.gathered(state), totals))


class Unfinished(dict):
    """A record that a stop cut in two: what its steps so far have added up. {} if none was cut.

    `first` is the first step of the record, `seconds` the time of its steps, `sums` those of
    `Totals`. All values can be written as JSON, which keeps every bit of them.
    """

    def totals(self, zeros: Totals) -> Totals:
        """Returns the totals to go on with; `zeros` if no record was cut."""
        if self.get('sums', {}).keys() != zeros.sums.keys():
            return zeros
        return zeros._replace(
            sums={
                name: jax.device_put(np.float32(self['sums'][name]), zero.sharding)
                for name, zero in zeros.sums.items()
            }
        )


class Windows:
    """Places the windows of a source on the devices, each once."""

    def __init__(self, source: Source, mesh: Mesh):
        self._source, self._mesh = source, mesh
        self._first, self._placed = None, None
        self.periods = [] if source.max_window_steps is None else [source.max_window_steps]
        self._reading = ThreadPoolExecutor(1, thread_name_prefix='window')

    def at(self, step: int, *, wait: Callable[[Future], None] = lambda window: None):
        """Returns the window that holds `step`; `wait` is called with one that is being read."""
        steps = self.periods[0] if self.periods else None
        first = 0 if steps is None else step // steps * steps
        if first != self._first:
            window = self._reading.submit(self._source.window, first, steps or 1)
            wait(window)
            self._first, self._placed = first, _put(self._source, self._mesh, window.result())
        return self._placed


def place(source: Source, mesh: Mesh, first: int, num_steps: int):
    """Returns the window of steps [first, first + num_steps) on the devices."""
    return _put(source, mesh, source.window(first, num_steps))


def _put(source: Source, mesh: Mesh, window):
    put = devices.replicate if source.max_window_steps is None else devices.shard_window
    return put(mesh, window)


class Sent(NamedTuple):
    """A dispatch that was sent to the device: the steps [first, last) of a record.

    Attributes:
      record: first and last step of the record.
      started: when it was sent, in seconds of `time.perf_counter`.
    """

    phase: str
    first: int
    last: int
    record: tuple[int, int]
    totals: Totals
    started: float

    def is_done(self) -> bool:
        """Returns whether the device has made the steps."""
        return all(leaf.is_ready() for leaf in jax.tree.leaves(self.totals))


class Reader:
    """Reads the totals of each dispatch after the next one has been sent, and times it.

    Attributes:
      seconds: time for which the device worked on the record that has not ended yet, or waited.
    """

    def __init__(self, observers: Sequence[Callable[[Record], None]], *, seconds: float = 0.0):
        self.seconds, self._waited = seconds, 0.0
        self._observers = observers
        self._pending = None
        self._ready = 0.0
        self._pace = {}  # Seconds per step, by phase.

    def num_steps(self, phase: str) -> int:
        """Returns how many steps the next dispatch should have; one if the pace is not known.

        Processes would not agree on a pace, so several of them cut no record.
        """
        if jax.process_count() > 1:
            return _NEVER
        return max(1, int(_SECONDS / self._pace[phase])) if phase in self._pace else 1

    def sent(self, dispatch: Sent) -> None:
        """Takes a dispatch that the device works on; reads the one before it."""
        pending, self._pending = self._pending, dispatch
        self._read(pending)

    def wait(self, window: Future) -> None:
        """Waits for input, and counts the time in which the device has nothing to do meanwhile."""
        while self._pending and not self._pending.is_done():
            if futures.wait([window], _POLL_SECONDS).done:
                return
        started = time.perf_counter()
        futures.wait([window])
        waited = time.perf_counter() - started
        self._waited += waited
        if self._pending is None:  # Otherwise it belongs to the time of that dispatch.
            self.seconds += waited

    def flush(self) -> None:
        """Waits for the last dispatch and reads it.

        Raises:
          NotFiniteError: a metric was not finite.
        """
        pending, self._pending = self._pending, None
        self._read(pending)

    def _read(self, pending: Sent | None) -> None:
        if pending is None:
            return
        sums, broken = jax.device_get(pending.totals)
        seconds = time.perf_counter() - max(self._ready, pending.started)
        self._ready = time.perf_counter()
        self._pace[pending.phase] = max(seconds / (pending.last - pending.first), 1e-9)
        self.seconds += seconds
        step = min(broken.values(), default=_NEVER)
        if step < _NEVER:
            raise NotFiniteError(int(step), [name for name in broken if broken[name] == step])
        first, last = pending.record
        if pending.last < last:
            return
        metrics = {name: float(total) / (last - first) for name, total in sums.items()}
        waiting = min(1.0, self._waited / seconds) if (seconds := self.seconds) else 0.0
        self.seconds = self._waited = 0.0
        for observe in self._observers:
            observe(Record(last, pending.phase, last - first, seconds, metrics, waiting))


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
