"""SIGKILL at random moments; the same command until the run is finished."""

import pathlib
import signal
import time
from collections.abc import Iterator

import numpy as np

from tests.torture import children, runs
from tests.torture.table import Row


def rows(folder: pathlib.Path, names: list[str], *, kills: int, seed: int = 0) -> Iterator[Row]:
    """Yields one row for each method: kills, and runs that ended otherwise than the whole one."""
    for name in names:
        config = runs.write_config(folder / name, name)
        whole = folder / name / 'whole'
        child = children.train(config, whole)
        if child.wait():
            yield Row(f'SIGKILL, {name}', 0, 0, (child.said[-300:],))
            continue
        yield _row(config, whole, name, kills, child.seconds, np.random.default_rng(seed))


def _row(config, whole, name, kills, seconds, random) -> Row:
    killed, in_run, finished, lost = 0, 0, 0, []
    while killed < kills or in_run:
        workdir = config.parent / f'killed{finished}'
        child = children.train(config, workdir)
        if killed < kills and kill(child, workdir, seconds, random):
            killed, in_run = killed + 1, in_run + 1
            continue
        # This run is finished, or the kills are used up.
        child.wait()
        said = [child.said[-300:]] if child.status else []
        said = said or runs.differences(workdir, whole, config.parent / 'compared.log')
        if said:
            lost.append(f'after {in_run} kills: {"; ".join(said)}')
        finished, in_run = finished + 1, 0
    return Row(f'SIGKILL, {name} ({finished} runs)', killed, killed - len(lost), tuple(lost))


def kill(child, workdir: pathlib.Path, seconds: float, random) -> bool:
    """Kills a process at a random moment; returns whether it had not ended before."""
    if not reach(child, workdir, seconds, random):
        return False
    child.send(signal.SIGKILL)
    return child.wait() == -signal.SIGKILL


def reach(child, workdir: pathlib.Path, seconds: float, random) -> bool:
    """Waits for a random moment of a session; returns whether the process still runs.

    Every fourth moment is a random time after the start; the others follow a random record, since
    most of a short run is compilation.
    """
    target, delay = 0, random.uniform(0.0, 0.05)
    if random.integers(4) == 0:
        delay = random.uniform(0.0, seconds)
    else:
        # A session that was killed after its last record has no further one.
        done = min(runs.last_step(workdir), runs.NUM_STEPS - 1)
        target = random.integers(done + 1, runs.NUM_STEPS + 1)
    # Records of the steps that run again are dropped when the session begins.
    while child.poll() is None and runs.last_step(workdir) < target:
        time.sleep(0.001)
    end = time.monotonic() + delay
    while child.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    return child.poll() is None
