"""SIGTERM and Ctrl-C at random moments: the process ends within ten seconds, and goes on."""

import pathlib
import signal
import time
from collections.abc import Iterator

import numpy as np

from tests.torture import children, kills, runs
from tests.torture.table import Row

_SECONDS = 10.0


def rows(folder: pathlib.Path, names: list[str], *, kills: int, seed: int = 0) -> Iterator[Row]:
    """Yields one row for each method, with the slowest answer."""
    for name in names:
        config = runs.write_config(folder / name, name)
        child = children.train(config, folder / name / 'whole')
        if child.wait():
            yield Row(f'SIGTERM and Ctrl-C, {name}', 0, 0, (child.said[-300:],))
            continue
        yield _row(config, name, kills, child.seconds, np.random.default_rng(seed))


def _row(config, name, count, seconds, random) -> Row:
    stopped, finished, slowest, lost = 0, 0, 0.0, []
    while stopped < count:
        workdir = config.parent / f'stopped{finished}'
        child = children.train(config, workdir)
        signum = (signal.SIGTERM, signal.SIGINT)[stopped % 2]
        if kills.reach(child, workdir, seconds, random):
            sent = time.monotonic()
            child.send(signum)
            child.wait()
            answer = time.monotonic() - sent
            slowest = max(slowest, answer)
            stopped += 1
            # Before the training begins, nothing catches SIGTERM.
            expected = (0, 128 + signum, -signum)
            if answer > _SECONDS or child.status not in expected or 'Traceback' in child.said:
                lost.append(f'{answer:.1f} s, status {child.status}: {child.said[-300:]!r}')
        if child.wait() == 0:
            lost += runs.differences(workdir, config.parent / 'whole', config.parent / 'log')
            finished += 1
    fault = f'SIGTERM and Ctrl-C, {name} (slowest answer {slowest:.1f} s)'
    return Row(fault, stopped, max(0, stopped - len(lost)), tuple(lost))
