"""The only loop: restore, step, hooks.

The device is sent `log_every_steps` steps in one dispatch, a compiled loop whose
trip count is an argument, so that a phase compiles once however a run is cut.
Step t draws from fold_in(loop key, t) and reads the batch of t, both pure
functions of the seed; a resumed run is therefore the same run, bit for bit.
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

from imggen import devices, keys
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.method import Batch, Method, Phase


class Record(NamedTuple):
    """What one dispatch did: the means of its metrics."""

    step: int  # The step that it ended at.
    phase: str
    num_steps: int
    seconds: float  # How long the device worked on it.
    metrics: Mapping[str, float]


class StateHook(NamedTuple):
    """Looks at the state every `every_steps` steps, if not 0, and at the end of the run.

    `run` takes (step, phase name, state, measures). Hooks at one step share the
    dict `measures`: what one measured, a later one may keep beside a checkpoint.
    """

    every_steps: int
    run: Callable[[int, str, Any, dict[str, float]], None]
    on_stop: bool = False  # Also where the run is stopped early.


class Result(NamedTuple):
    """Where a run stands. It is not finished where it was stopped."""

    step: int
    state: Any
    finished: bool


class NotFiniteError(UserError):
    """A metric became NaN or infinite."""

    def __init__(self, step: int, names: Sequence[str]):
        super().__init__(f'{" and ".join(names)} became NaN or infinite at step {step}')


def num_steps(method: Method) -> int:
    """Returns the number of steps of all phases together."""
    return sum(phase.num_steps for phase in method.phases)


def first_batch(source: Source, mesh: Mesh) -> Batch:
    """Returns the batch of step 0, whole on every device, also where processes read parts of it."""
    whole, options = NamedSharding(mesh, P()), devices.quick_options(mesh)
    gather = jax.jit(source.gather, out_shardings=whole, compiler_options=options)
    return gather(_place(source, mesh, 0, 1), 0)


def run(
    method: Method,
    source: Source,
    *,
    seed: int,
    mesh: Mesh,
    log_every_steps: int = 50,
    hooks: Sequence[StateHook] = (),
    observers: Sequence[Callable[[Record], None]] = (),
    restore: Callable[[Any], tuple[int, Any] | None] = lambda like: None,
    stop: Callable[[], bool] = lambda: False,
) -> Result:
    """Advances `method` through its phases and returns the state at the end.

    Args:
      method: what to run.
      source: where batches come from.
      seed: the one seed of the run.
      mesh: the devices, with one axis 'data'.
      log_every_steps: steps in one dispatch to the device, and in one record.
      hooks: look at the state, in this order.
      observers: see every record, one dispatch late.
      restore: (like) -> (step, state) to go on from, or None; `like` has the
        state's structure, with shapes and shardings.
      stop: asked at every dispatch; where it is true in any process, the hooks
        with `on_stop` run in all and the loop returns.

    Raises:
      NotFiniteError: a metric was not finite; names the first such step.
    """
    end = num_steps(method)
    windows = _Windows(source, mesh)
    replicated = NamedSharding(mesh, P())
    state_sharding = NamedSharding(mesh, method.state_spec)
    with jax.set_mesh(mesh):
        loop_key = jax.jit(lambda: keys.stream(seed, 'loop'), out_shardings=replicated)()
        frozen = devices.replicate(mesh, method.frozen)
        step, state = _start(method, source, windows, frozen, seed, mesh, restore)
        clock = _Clock(observers)
        stop = _Stop(stop, mesh)
        compiled = {}
        for phase, first, last in _dispatches(method.phases, step, log_every_steps, hooks, windows):
            arguments = (loop_key, state, frozen, windows.at(first))
            arguments += devices.replicate(mesh, (np.int32(first), np.int32(last)))
            if phase.name not in compiled:
                clock.flush()  # Compiling is no part of the dispatch before.
                advance = _advance(phase, source, state_sharding, replicated)
                compiled[phase.name] = advance.lower(*arguments).compile(
                    compiler_options=devices.compiler_options(mesh)
                )
            stop.ask()
            clock.start(phase.name, first, last)
            state, totals = compiled[phase.name](*arguments)
            clock.dispatched(totals)  # Reports the dispatch before: this one keeps the device busy.

            step = last
            stopping = step < end and stop.answer()
            if due := [hook for hook in hooks if _is_due(hook, step, end, stopping)]:
                clock.flush()  # Raises before a state that is not finite could be saved.
                metrics = {}
                for hook in due:
                    hook.run(step, phase.name, state, metrics)
            if stopping:
                break
        clock.flush()
    return Result(step, state, step == end)


def _start(method, source, windows, frozen, seed, mesh, restore):
    """Returns the first step and its state, restored or new."""
    sharding = NamedSharding(mesh, method.state_spec)

    @partial(jax.jit, inline=True)  # Traced once, as a step is.
    def begin(frozen, window):
        return method.init(keys.stream(seed, 'init'), frozen, source.gather(window, 0))

    shapes = jax.eval_shape(begin, frozen, windows.at(0))
    devices.check_population(mesh, method.state_spec, shapes)
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )
    if restored := restore(like):
        return restored
    init = jax.jit(begin, out_shardings=sharding, compiler_options=devices.quick_options(mesh))
    return 0, init(frozen, windows.at(0))


def _advance(phase, source, state_sharding, replicated):
    """Returns the compiled loop: (loop_key, state, frozen, window, first, last) -> (state, totals).

    Totals are the sums of the metrics over the steps and, for each, the first
    step at which it was not finite (a large number where it always was).
    """

    def advance(loop_key, state, frozen, window, first, last):
        # Needed for its metrics' names and in the loop, and traced once: jit keeps the trace.
        @partial(jax.jit, inline=True)
        def step(index, state):
            batch = source.gather(window, index)
            batch = jax.lax.with_sharding_constraint(batch, P('data'))
            state, metrics = phase.step(jax.random.fold_in(loop_key, index), state, frozen, batch)
            return state, {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}

        def body(index, carry):
            state, sums, broken = carry
            state, metrics = step(index, state)
            sums = jax.tree.map(jnp.add, sums, metrics)
            broken = jax.tree.map(
                lambda at, value: jnp.where(jnp.isfinite(value), at, jnp.minimum(at, index)),
                broken,
                metrics,
            )
            return state, sums, broken

        metrics = jax.eval_shape(step, first, state)[1]
        zeros = jax.tree.map(lambda leaf: jnp.zeros((), jnp.float32), metrics)
        never = jax.tree.map(lambda leaf: jnp.int32(_NEVER), metrics)
        state, sums, broken = jax.lax.fori_loop(first, last, body, (state, zeros, never))
        return state, (sums, broken)

    return jax.jit(advance, donate_argnames='state', out_shardings=(state_sharding, replicated))


_NEVER = np.iinfo(np.int32).max


def _dispatches(
    phases: Sequence[Phase], step: int, log_every_steps: int, hooks, windows
) -> Iterator[tuple[Phase, int, int]]:
    """Cuts what is left of the phases where a record, a hook, a window or a phase ends."""
    periods = [log_every_steps, *(hook.every_steps for hook in hooks), *windows.periods]
    periods = [period for period in periods if period]
    phase_end = 0
    for phase in phases:
        phase_end += phase.num_steps
        while step < phase_end:
            last = min(phase_end, *((step // period + 1) * period for period in periods))
            yield phase, step, last
            step = last


def _is_due(hook: StateHook, step: int, end: int, stopping: bool) -> bool:
    on_period = hook.every_steps and step % hook.every_steps == 0
    return on_period or step == end or (stopping and hook.on_stop)


class _Windows:
    """Places a source's windows on the mesh, each once."""

    def __init__(self, source: Source, mesh: Mesh):
        self._source, self._mesh = source, mesh
        self._first, self._placed = None, None
        self.periods = [] if source.max_window_steps is None else [source.max_window_steps]

    def at(self, step: int):
        """Returns the window that holds `step`, on the devices."""
        if not self.periods:
            if self._placed is None:
                self._placed = _place(self._source, self._mesh, 0, 1)
            return self._placed
        (steps,) = self.periods
        first = step // steps * steps
        if first != self._first:
            self._first, self._placed = first, _place(self._source, self._mesh, first, steps)
        return self._placed


def _place(source, mesh, first, steps):
    place = devices.replicate if source.max_window_steps is None else devices.shard_window
    return place(mesh, source.window(first, steps))


class _Clock:
    """Reads the metrics of a dispatch after the next one has been sent, and times it."""

    def __init__(self, observers):
        self._observers = observers
        self._pending = None
        self._current = None
        self._ready = 0.0

    def start(self, phase: str, first: int, last: int) -> None:
        self._current = (phase, first, last, time.perf_counter())

    def dispatched(self, totals) -> None:
        sent = (*self._current, totals)
        self.flush()
        self._pending = sent

    def flush(self) -> None:
        if self._pending is None:
            return
        (phase, first, last, started, totals), self._pending = self._pending, None
        sums, broken = jax.device_get(totals)
        seconds = time.perf_counter() - max(self._ready, started)
        self._ready = time.perf_counter()
        at = min(broken.values(), default=_NEVER)
        if at < _NEVER:
            raise NotFiniteError(int(at), [name for name in broken if broken[name] == at])
        steps = last - first
        metrics = {name: float(total) / steps for name, total in sums.items()}
        for observe in self._observers:
            observe(Record(last, phase, steps, seconds, metrics))


class _Stop:
    """Whether to stop, the same answer in all processes.

    Several processes vote on the device, before a dispatch is sent: by the time that
    its predecessor is read the votes are counted, and the device never waits for them.
    """

    def __init__(self, wanted: Callable[[], bool], mesh: Mesh):
        self._wanted = wanted
        self._alone = jax.process_count() == 1
        self._sharding = NamedSharding(mesh, P('data'))
        self._any = jax.jit(jnp.any, out_shardings=NamedSharding(mesh, P()))

    def ask(self) -> None:
        if not self._alone:
            votes = np.full(len(self._sharding.mesh.local_devices), self._wanted())
            votes = jax.make_array_from_process_local_data(self._sharding, votes)
            self._decision = self._any(votes)

    def answer(self) -> bool:
        return self._wanted() if self._alone else bool(self._decision)
