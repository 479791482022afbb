"""One run on one device, on four, and on two devices in each of two processes."""

import shutil
import signal

import jax
import jax.numpy as jnp
import pytest

from imggen.workdir import reader
from imggen.workdir.checkpoint import Checkpoints
from tests.helpers import cases, processes

NUM_STEPS = 24
# The set counts as too large for the memory: each process reads its part of every batch.
STREAMED = '--config.data.memory_budget_mib=0'
SPLIT = '--config.run.shard_params=True'


def newest(workdir):
    return Checkpoints(workdir / 'checkpoints', read_only=True).newest


def copy_up_to(workdir, step, copy):
    """Copies a run as it was at `step`."""
    shutil.copytree(workdir, copy)
    for later in range(step + 1, NUM_STEPS + 1):
        shutil.rmtree(copy / 'checkpoints' / str(later), ignore_errors=True)
    return copy


def assert_agree(actual, expected):
    # Sums over the batch are taken in another order; two steps of training are a hundred
    # times as far.
    cases.assert_close(actual, expected, rtol=1e-4, atol=2e-5)


def assert_whole(workdir):
    """Every step was recorded once, whoever made it."""
    steps = [record['step'] for record in processes.records(workdir)]
    assert steps == list(range(1, NUM_STEPS + 1))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('distributed')


@pytest.fixture(scope='module')
def config(folder):
    return processes.write_config(
        folder,
        num_steps=NUM_STEPS,
        # The first kernel of the generator has 1024 x 64 elements, just enough to be split.
        method={**processes.METHOD, 'latent_size': 1024},
        data={'memory_budget_mib': 2048},
        # Every step is kept, so that runs can be compared wherever one of them stopped.
        log_every_steps=4,
        checkpoint_every_steps=1,
        keep_newest=NUM_STEPS,
        sample_every_steps=NUM_STEPS,
    )


@pytest.fixture(scope='module')
def whole(folder, config):
    """Runs that nothing interrupts, on one device and on four."""
    one = processes.start(config, folder / 'one')
    four = processes.start(config, folder / 'four', num_devices=4)
    processes.finish(one, four)
    return folder / 'one', folder / 'four'


@pytest.fixture(scope='module')
def stopped(folder, config):
    """A streamed run of two processes of two devices, one of which got a SIGTERM.

    Its state is split, so that each process writes a part of every checkpoint.
    """
    leader, other = processes.start_two(config, folder / 'two', STREAMED, SPLIT)
    processes.wait_until(lambda: processes.records(folder / 'two'), leader, other)
    other.send_signal(signal.SIGTERM)
    processes.finish(leader, other, status=143)
    return folder / 'two'


@pytest.fixture(scope='module')
def resumed(folder, config, whole, stopped):
    """The end of the stopped run on one device, and of a run on one device in two processes."""
    fewer = copy_up_to(stopped, newest(stopped), folder / 'fewer')
    more = copy_up_to(whole[0], NUM_STEPS // 2, folder / 'more')
    one, two = processes.start(config, fewer, STREAMED), processes.start_two(config, more)
    processes.finish(one, *two)
    return fewer, more


def test_four_devices_compute_what_one_device_computes(whole):
    one, four = (processes.state(workdir, NUM_STEPS) for workdir in whole)
    assert_agree(four, one)
    earlier = processes.state(whole[0], NUM_STEPS - 2)
    moved = jax.tree.map(
        lambda a, b: float(jnp.abs(a - b).max()), one.generator.params, earlier.generator.params
    )
    assert min(jax.tree.leaves(moved)) > 2e-3


def test_sigterm_to_one_of_two_processes_stops_both_at_one_step(stopped):
    step = newest(stopped)
    assert 0 < step < NUM_STEPS
    assert processes.records(stopped)[-1]['step'] == step
    info = reader.read(stopped).info
    assert (info['status'], info['step'], info['devices']) == ('stopped', step, 4)


def test_two_processes_compute_what_one_device_computes(stopped, whole):
    step = newest(stopped)
    for workdir in whole:
        assert_agree(processes.state(stopped, step), processes.state(workdir, step))


def test_a_run_goes_on_with_fewer_devices(resumed, whole):
    fewer, _ = resumed
    assert_agree(processes.state(fewer, NUM_STEPS), processes.state(whole[0], NUM_STEPS))
    assert_whole(fewer)


def test_a_run_goes_on_with_more_devices_and_processes(resumed, whole):
    _, more = resumed
    assert_agree(processes.state(more, NUM_STEPS), processes.state(whole[0], NUM_STEPS))
    assert_whole(more)
    assert reader.read(more).info['devices'] == 4
