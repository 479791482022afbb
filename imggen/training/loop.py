"""The only loop: restore, step, hooks.

Step t draws from fold_in(loop key, t) and reads the batch of t, both pure functions of the
seed. A resumed run is therefore the same run, bit for bit. `dispatch.py` explains how steps go
to the device.
"""

import bisect
import functools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from imggen import devices, keys, train_state
from imggen.data.source import Source
from imggen.method import Batch, Method
from imggen.training import dispatch
from imggen.training.dispatch import Record
from imggen.training.profile import Profile


class StateHook(NamedTuple):
    """Looks at the state.

    Attributes:
      every_steps: its period; 0 for the end of the run alone. Every hook also runs there.
      run: takes (step, phase name, state, metrics). Hooks at one step share the dict
        `metrics`: what one measures, a later one may store beside a checkpoint.
      on_stop: whether it also runs if the run is stopped early.
    """

    every_steps: int
    run: Callable[[int, str, Any, dict[str, float]], None]
    on_stop: bool = False


class Result(NamedTuple):
    """The step that a run reached, its state there, and whether that is its end."""

    step: int
    state: Any
    finished: bool


def num_steps(method: Method) -> int:
    """Returns the number of steps of all phases together."""
    return sum(phase.num_steps for phase in method.phases)


def first_batch(source: Source, mesh: Mesh) -> Batch:
    """Returns the whole batch of step 0 on every device, even if processes read parts of it."""
    replicated, options = NamedSharding(mesh, P()), devices.quick_options(mesh)
    gather = jax.jit(source.gather, out_shardings=replicated, compiler_options=options)
    return gather(dispatch.place(source, mesh, 0, 1), 0)


def traced(method: Method, batch: Batch, mesh: Mesh) -> tuple[Method, Any]:
    """Returns the method with the trace of its `init`, for `run`, and the shapes of the state.

    It raises what `init` raises, before anything runs.
    """
    replicated, init = NamedSharding(mesh, P()), jax.jit(method.init, inline=True)

    def shape(leaf):
        leaf = leaf if isinstance(leaf, jax.Array) else jax.eval_shape(jnp.asarray, leaf)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=replicated)

    # Traces are found again only for the same shardings under the same mesh.
    with jax.set_mesh(mesh):
        arguments = jax.tree.map(shape, (jax.random.key(0), method.frozen))
        shapes = jax.eval_shape(init, *arguments, batch)
    return method._replace(init=init), shapes


def broken_data(source: Source, mesh: Mesh, step: int) -> list[str]:
    """Names the parts of the batch of a step that hold NaN or infinity."""
    gather = jax.jit(source.gather, out_shardings=NamedSharding(mesh, P()))
    batch = gather(dispatch.place(source, mesh, step, 1), step)
    return [
        f'data ({name})'
        for name, leaf in batch.items()
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not jnp.isfinite(leaf).all()
    ]


def run(
    method: Method,
    source: Source,
    *,
    seed: int,
    mesh: Mesh,
    log_every_steps: int = 50,
    hooks: Sequence[StateHook] = (),
    observers: Sequence[Callable[[Record], None]] = (),
    restore: Callable[[Any], tuple[int, Any] | None] = lambda shapes: None,
    stop: Callable[[], bool] = lambda: False,
    unfinished: dispatch.Unfinished | None = None,
    restarts: Sequence[int] = (),
    check: Callable[[str, jax.stages.Compiled], None] = lambda phase, program: None,
    shard_params: bool = False,
    profile: Profile | None = None,
) -> Result:
    """Advances `method` through its phases.

    Args:
      method: what runs.
      source: where batches come from.
      seed: the one seed of the run.
      mesh: the devices, with one axis 'data'.
      log_every_steps: the most steps in one record.
      hooks: look at the state, in this order. The device waits for them.
      observers: see every record, one dispatch late. The device does not wait for them.
      restore: maps the state's shapes, with shardings, to (step, state) to continue from, or
        to None.
      stop: polled before every dispatch. If it returns True in any process, the hooks with
        `on_stop` run in all of them and the loop returns.
      unfinished: the record that an earlier stop cut. If a stop cuts another one, the loop
        leaves it here before the hooks run.
      restarts: steps from which the run was begun again with another key.
      check: sees the name and the program of each phase before it runs, and may raise.
      shard_params: whether a state that is not split by images is split by parameters.
      profile: traces some of the steps.

    Raises:
      NotFiniteError: a metric was not finite; names it and the first such step.
    """
    end, profile = num_steps(method), profile or Profile()
    unfinished = dispatch.Unfinished() if unfinished is None else unfinished
    windows = dispatch.Windows(source, mesh)
    periods = (log_every_steps, *(hook.every_steps for hook in hooks), *windows.periods)
    with jax.set_mesh(mesh), train_state.sharded(shard_params):
        loop_key = _loop_keys(seed, mesh, restarts)
        frozen = devices.replicate(mesh, method.frozen)
        shapes, begin = _start(method, source, windows, frozen, seed, mesh, shard_params)
        step, state = restore(shapes) or (0, begin())
        reader = dispatch.Reader(observers, seconds=unfinished.get('seconds', 0.0))
        vote = dispatch.StopVote(stop, mesh)
        programs = dispatch.Programs(source, mesh, shapes)
        stopping = False
        for phase, first, last in dispatch.split(method.phases, step, periods, ends=restarts):
            arguments = (frozen, windows.at(first, wait=reader.wait))
            if phase not in programs:
                reader.flush()  # The time to compile does not belong to the dispatch before.
                program = programs.compile(phase, loop_key(first), state, *arguments)
                check(phase.name, program)
            totals = unfinished.totals(programs.zeros(phase))
            first = unfinished.get('first', first)
            unfinished.clear()
            while step < last and not stopping:
                vote.cast()
                profile.before(step, flush=reader.flush)
                until = profile.cut(step, min(last, step + reader.num_steps(phase.name)))
                started = time.perf_counter()
                state, totals = programs.run(
                    phase, loop_key(step), state, *arguments, step, until, totals
                )
                reader.sent(dispatch.Sent(phase.name, step, until, (first, last), totals, started))
                step = until
                profile.after(step, flush=reader.flush)
                stopping = step < end and vote.result()
            if step < last:
                reader.flush()
                sums = {name: float(value) for name, value in totals.sums.items()}
                unfinished.update(first=first, seconds=reader.seconds, sums=sums)
            if due := [hook for hook in hooks if _is_due(hook, step, end, stopping)]:
                reader.flush()  # Raises before a state that is not finite can be saved.
                metrics = {}
                for hook in due:
                    hook.run(step, phase.name, state, metrics)
            if stopping:
                break
        reader.flush()
    return Result(step, state, step == end)


def _loop_keys(seed: int, mesh: Mesh, restarts: Sequence[int]) -> Callable[[int], jax.Array]:
    """Returns a function from a step to the loop key there, which every restart changes."""
    replicated, restarts = NamedSharding(mesh, P()), sorted(restarts)

    @functools.cache
    def after(num_restarts):
        def make():
            if num_restarts:
                return jax.random.fold_in(keys.stream(seed, 'restart'), num_restarts)
            return keys.stream(seed, 'loop')

        return jax.jit(make, out_shardings=replicated)()

    return lambda step: after(bisect.bisect_right(restarts, step))


def _start(method, source, windows, frozen, seed, mesh, shard_params):
    """Returns the shapes of the state, with shardings, and what makes the first state."""

    @partial(jax.jit, inline=True)  # Traced once, for its shapes and for the program.
    def begin(frozen, window):
        return method.init(keys.stream(seed, 'init'), frozen, source.gather(window, 0))

    shapes = jax.eval_shape(begin, frozen, windows.at(0))
    devices.check_population(mesh, method.state_spec, shapes)
    shapes = devices.with_shardings(mesh, method.state_spec, shapes, shard_params=shard_params)
    return shapes, lambda: jax.jit(
        begin,
        out_shardings=jax.tree.map(lambda leaf: leaf.sharding, shapes),
        compiler_options=devices.quick_options(mesh),
    )(frozen, windows.at(0))


def _is_due(hook: StateHook, step: int, end: int, stopping: bool) -> bool:
    on_period = hook.every_steps and step % hook.every_steps == 0
    return on_period or step == end or (stopping and hook.on_stop)
