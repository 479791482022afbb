"""One run on one device, on four, and on two devices in each of two processes."""

import shutil
import signal

import jax
import jax.numpy as jnp
import pytest

from imggen import runs
from imggen.checkpoint import Checkpoints
from tests import cases, processes

NUM_STEPS = 24


def newest(workdir):
    return Checkpoints(workdir / 'checkpoints', read_only=True).newest


def copy_up_to(workdir, step, copy):
    """Copies a run as it was at `step`."""
    shutil.copytree(workdir, copy)
    for later in range(step + 1, NUM_STEPS + 1):
        shutil.rmtree(copy / 'checkpoints' / str(later), ignore_errors=True)
    return copy


def assert_agree(actual, expected):
    # Sums over the batch are taken in another order. Adam magnifies what that rounds where
    # a gradient is almost nothing: it divides by the root of its square.
    cases.assert_close(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('distributed')


@pytest.fixture(scope='module')
def config(folder):
    return processes.write_config(
        folder,
        num_steps=NUM_STEPS,
        # Every step is kept, so that runs can be compared wherever one of them stopped.
        log_every_steps=4,
        checkpoint_every_steps=1,
        keep_newest=NUM_STEPS,
        sample_every_steps=NUM_STEPS,
    )


@pytest.fixture(scope='module')
def one(folder, config):
    """The run that nothing interrupts, on one device."""
    processes.finish(processes.start(config, folder / 'one'))
    return folder / 'one'


@pytest.fixture(scope='module')
def stopped(folder, config):
    """A run of two processes, one of which got a SIGTERM."""
    leader, other = processes.start_two(config, folder / 'two')
    processes.wait_until(lambda: processes.records(folder / 'two'), leader)
    other.send_signal(signal.SIGTERM)
    processes.finish(leader, other, status=143)
    return folder / 'two'


def test_sigterm_to_one_of_two_processes_stops_both_at_one_step(stopped):
    step = newest(stopped)
    assert 0 < step < NUM_STEPS
    assert processes.records(stopped)[-1]['step'] == step
    info = runs.read(stopped).info
    assert (info['status'], info['step'], info['devices']) == ('stopped', step, 4)


def test_two_processes_compute_what_one_device_computes(stopped, one):
    step = newest(stopped)
    assert_agree(processes.state(stopped, step), processes.state(one, step))


def test_four_devices_compute_what_one_device_computes(folder, config, one):
    processes.finish(processes.start(config, folder / 'four', num_devices=4))
    expected = processes.state(one, NUM_STEPS)
    assert_agree(processes.state(folder / 'four', NUM_STEPS), expected)
    # The tolerance means something: a few steps more or fewer are far outside of it.
    earlier = processes.state(one, NUM_STEPS - 2)
    moved = jax.tree.map(
        lambda a, b: jnp.abs(a - b).max(), expected.generator.params, earlier.generator.params
    )
    assert min(jax.tree.leaves(moved)) > 5e-4


def test_a_run_of_two_processes_goes_on_in_one(folder, config, one, stopped):
    copy = copy_up_to(stopped, newest(stopped), folder / 'two_then_one')
    processes.finish(processes.start(config, copy))
    assert_agree(processes.state(copy, NUM_STEPS), processes.state(one, NUM_STEPS))
    assert [record['step'] for record in processes.records(copy)] == list(range(1, NUM_STEPS + 1))


def test_a_run_on_one_device_goes_on_in_two_processes(folder, config, one):
    copy = copy_up_to(one, 9, folder / 'one_then_two')
    processes.finish(*processes.start_two(config, copy))
    assert_agree(processes.state(copy, NUM_STEPS), processes.state(one, NUM_STEPS))
    assert [record['step'] for record in processes.records(copy)] == list(range(1, NUM_STEPS + 1))
