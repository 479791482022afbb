"""The loop: phases, dispatches, hooks, windows, and what stops it."""

import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import struct

from imggen import devices
from imggen.data.source import Source
from imggen.errors import UserError
from imggen.method import Method, Phase
from imggen.training import dispatch, loop


@struct.dataclass
class State:
    trace: jax.Array  # [steps]: what each step drew and saw.
    step: jax.Array


def counting(num_steps=(5, 7), *, broken_at=None) -> Method:
    """Two phases that write down what they were given."""

    def init(key, frozen, batch):
        del key, frozen, batch
        return State(trace=jnp.zeros(sum(num_steps)), step=jnp.int32(0))

    def make_step(sign):
        def step(key, state, frozen, batch):
            del frozen
            value = sign * (jax.random.uniform(key) + batch['number'][0])
            trace = state.trace.at[state.step].set(value)
            loss = state.step * 1.0
            if broken_at is not None:
                loss = jnp.where(state.step == broken_at, jnp.nan, loss)
            return State(trace=trace, step=state.step + 1), {'loss': loss}

        return step

    phases = (
        Phase('up', num_steps[0], make_step(1.0)),
        Phase('down', num_steps[1], make_step(-1.0)),
    )
    return Method(init, phases, sample=lambda key, state, frozen, batch: {})


def thirds() -> Method:
    """One phase whose loss, 1 / (3 + step), has rounding in its sums."""

    def step(key, state, frozen, batch):
        state, _ = counting().phases[0].step(key, state, frozen, batch)
        return state, {'loss': 1.0 / (2.0 + state.step)}

    return counting()._replace(phases=(Phase('up', 12, step),))


def numbers(*, streamed_steps: int | None = None) -> Source:
    """Batches that hold the number of their step; streamed, a window holds a few of them."""
    asked = []

    def window(first, count):
        asked.append((first, count))
        if streamed_steps is None:
            return jnp.arange(100.0)
        return {
            'number': np.arange(first, first + count, dtype=np.float32)[:, None].repeat(8, 1),
            'first_step': np.int32(first),
        }

    def gather(window, step):
        if streamed_steps is None:
            return {'number': jnp.full((8,), window[step])}
        return {'number': window['number'][step - window['first_step']]}

    return Source(window, gather, max_window_steps=streamed_steps)


def run(method=None, source=None, *, mesh=None, **options) -> Any:
    mesh = mesh or devices.make_mesh(devices=jax.devices()[:1])
    return loop.run(method or counting(), source or numbers(), seed=3, mesh=mesh, **options)


def test_phases_follow_each_other_and_every_step_sees_its_own_batch():
    result = run(log_every_steps=100)
    trace = np.asarray(result.state.trace)
    assert result.finished and result.step == 12
    assert (np.floor(np.abs(trace)) == np.arange(12)).all()
    assert (np.sign(trace) == [1] * 5 + [-1] * 7).all()
    assert len(np.unique(np.abs(trace) % 1)) == 12  # Every step has a key of its own.


@pytest.mark.parametrize('log_every_steps', [1, 2, 5, 8])
def test_how_steps_are_dispatched_changes_no_bit(log_every_steps):
    expected = run(log_every_steps=100).state.trace
    assert jnp.array_equal(run(log_every_steps=log_every_steps).state.trace, expected)


@pytest.mark.parametrize('seconds', [1e-9, 1e9])
def test_how_long_a_dispatch_takes_changes_no_bit(monkeypatch, seconds):
    """With 1e-9 seconds every step is a dispatch of its own; the means are those of one sum."""
    monkeypatch.setattr(dispatch, '_SECONDS', seconds)
    records = []
    result = run(thirds(), log_every_steps=5, observers=[records.append])
    assert [record.num_steps for record in records] == [5, 5, 2]
    total = np.float32(0.0)
    for step in range(5, 10):
        total += np.float32(1.0) / np.float32(3.0 + step)
    assert records[1].metrics['loss'] == float(total) / 5
    assert jnp.array_equal(result.state.trace, run(thirds()).state.trace)


def test_a_record_that_a_stop_cuts_goes_on_with_the_same_bits(monkeypatch):
    monkeypatch.setattr(dispatch, '_SECONDS', 1e-9)
    whole, records, saved = [], [], {}
    end = run(thirds(), log_every_steps=5, observers=[whole.append])

    def save(step, phase, state, metrics):
        # As a checkpoint stores it: the old state is donated to the next step.
        saved.update(at=step, state=jax.tree.map(np.asarray, state), record=json.dumps(unfinished))

    step, polls = 0, []
    while step < 12:
        unfinished = dispatch.Unfinished(json.loads(saved.get('record', '{}')))
        result = run(
            thirds(),
            log_every_steps=5,
            observers=[records.append],
            hooks=[loop.StateHook(0, save, on_stop=True)],
            restore=lambda shapes: (
                saved and (saved['at'], jax.tree.map(jnp.asarray, saved['state']))
            ),
            stop=lambda: polls.append(None) or len(polls) % 3 == 0,
            unfinished=unfinished,
        )
        step = result.step
    assert len(polls) > 9 and jnp.array_equal(result.state.trace, end.state.trace)
    untimed = [record._replace(seconds=0.0) for record in records]
    assert untimed == [record._replace(seconds=0.0) for record in whole]
    assert all(record.seconds > 0.0 for record in records)


def test_a_record_says_for_which_share_of_its_time_the_device_waited_for_input():
    streamed = numbers(streamed_steps=2)

    def slow(first, count):
        time.sleep(0.3)
        return streamed.window(first, count)

    shares = {}
    for name, source in {'resident': numbers(), 'slow': streamed._replace(window=slow)}.items():
        records = []
        run(thirds(), source, log_every_steps=100, observers=[records.append])
        assert all(record.seconds > 0.0 for record in records)
        shares[name] = [record.waiting for record in records]
    assert shares['resident'] == [0.0]
    # A record ends with its window, and the wait for the next one belongs to its time.
    *waited, end = shares['slow']
    assert len(waited) == 5 and all(0.3 < share <= 1.0 for share in waited) and end == 0.0


def test_a_restart_changes_the_key_from_its_step_on():
    first, again, twice = (
        np.abs(np.asarray(run(restarts=restarts).state.trace)) for restarts in ([], [4], [4, 4])
    )
    assert (first[:4] == again[:4]).all() and (first[4:] != again[4:]).all()
    assert (twice[4:] != again[4:]).all() and (twice[4:] != first[4:]).all()
    # Wherever it is continued: before the restart the key is the old one.
    assert (np.abs(run(restarts=[4], log_every_steps=1).state.trace) == again).all()


def test_a_step_is_traced_once():
    traced = []

    def step(key, state, frozen, batch):
        traced.append(None)
        return counting().phases[0].step(key, state, frozen, batch)

    run(counting()._replace(phases=(Phase('up', 12, step),)))
    assert len(traced) == 1


def test_broken_data_is_named():
    def gather(window, step):
        return {'image': jnp.where(step == 3, jnp.nan, jnp.ones(8)), 'label': jnp.ones(8, int)}

    source, mesh = Source(lambda first, count: (), gather), devices.make_mesh()
    assert loop.broken_data(source, mesh, 3) == ['data (image)']
    assert loop.broken_data(source, mesh, 4) == []


@pytest.mark.parametrize('streamed_steps', [1, 4, 50])
def test_a_streamed_source_gives_the_same_run(streamed_steps):
    expected = run().state.trace
    streamed = run(source=numbers(streamed_steps=streamed_steps), mesh=devices.make_mesh())
    assert np.array_equal(streamed.state.trace, expected)


def test_records_are_means_over_their_dispatch_in_order():
    records = []
    run(log_every_steps=4, observers=[records.append])
    assert [record.step for record in records] == [4, 5, 8, 12]
    assert [record.phase for record in records] == ['up', 'up', 'down', 'down']
    assert [record.num_steps for record in records] == [4, 1, 3, 4]
    assert [record.metrics['loss'] for record in records] == [1.5, 4.0, 6.0, 9.5]


def test_the_seconds_of_a_record_hold_no_compilation():
    records = []

    def slow_to_compile(key, state, frozen, batch):
        time.sleep(1.5)  # While it is traced.
        return counting().phases[1].step(key, state, frozen, batch)

    phases = (counting().phases[0], Phase('down', 7, slow_to_compile))
    run(counting()._replace(phases=phases), observers=[records.append])
    assert [record.phase for record in records] == ['up', 'down']
    assert all(record.seconds < 1.5 for record in records)


def test_hooks_fire_on_their_periods_and_at_the_end_and_share_measures():
    seen = []

    def measure(step, phase, state, metrics):
        assert int(state.step) == step
        metrics['size'] = step

    def note(step, phase, state, metrics):
        seen.append((step, phase, metrics.get('size')))

    run(log_every_steps=100, hooks=[loop.StateHook(6, measure), loop.StateHook(4, note)])
    assert seen == [(4, 'up', None), (8, 'down', None), (12, 'down', 12)]


def test_a_hook_without_a_period_fires_at_the_end_alone():
    seen = []
    run(log_every_steps=3, hooks=[loop.StateHook(0, lambda step, *_: seen.append(step))])
    assert seen == [12]


def test_a_stop_runs_only_the_hooks_that_ask_for_it():
    fired = []
    hooks = [
        loop.StateHook(100, lambda *_: fired.append('sheet')),
        loop.StateHook(100, lambda *_: fired.append('save'), on_stop=True),
    ]
    result = run(log_every_steps=3, hooks=hooks, stop=lambda: True)
    assert (result.step, result.finished, fired) == (1, False, ['save'])


def test_a_stop_after_the_last_step_is_a_finished_run():
    assert not run(stop=lambda: True).finished
    assert run(counting((1, 0)), stop=lambda: True).finished


@pytest.mark.parametrize('log_every_steps', [1, 5, 100])
def test_nan_is_found_at_its_step_before_any_hook_sees_the_state(log_every_steps):
    saved = []
    with pytest.raises(dispatch.NotFiniteError, match='loss became NaN or infinite at step 8'):
        run(
            counting(broken_at=8),
            log_every_steps=log_every_steps,
            hooks=[
                loop.StateHook(
                    1 if log_every_steps == 1 else 6, lambda step, *_: saved.append(step)
                )
            ],
        )
    assert max(saved) <= 8


def test_a_batch_that_does_not_divide_by_the_devices_is_refused():
    with pytest.raises(UserError, match='batch_size=6 is not a multiple of the 4 devices: take 4'):
        devices.check_batch_size(devices.make_mesh(), 6)


def test_what_checks_the_initialization_leaves_its_trace_to_the_loop():
    traces = []

    def init(key, frozen, batch):
        traces.append(key)
        return State(trace=jnp.zeros(12) + frozen['offset'], step=jnp.int32(0))

    method = counting()._replace(init=init, frozen={'offset': np.float32(0.0)})
    source, mesh = numbers(), devices.make_mesh(devices=jax.devices()[:1])
    method, _ = loop.traced(method, loop.first_batch(source, mesh), mesh)
    loop.run(method, source, seed=0, mesh=mesh)
    assert len(traces) == 1
