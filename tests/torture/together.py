"""Two trainings in one workdir: the second is refused, also after the first was killed."""

import pathlib
import signal
import time
from collections.abc import Iterator

from tests.torture import children, runs
from tests.torture.table import Row

_REPEATS = 3


def rows(folder: pathlib.Path, names: list[str], *, kills: int) -> Iterator[Row]:
    """Yields one row."""
    del kills
    config = runs.write_config(folder, names[0])
    children.train(config, folder / 'whole').wait()
    lost = []
    for index in range(_REPEATS):
        workdir = folder / f'both{index}'
        first = children.train(config, workdir)
        while first.poll() is None and not runs.last_step(workdir):
            time.sleep(0.001)
        first.send(signal.SIGSTOP)  # It holds the lock and cannot end.
        # Another log: the two share a workdir.
        second = children.train(config, workdir, log=folder / 'second.log')
        second.wait()
        if second.refusal() or 'in use' not in second.said:
            lost.append(f'the second training: status {second.status}, {second.said[-200:]!r}')
        if index % 2:
            first.send(signal.SIGKILL)
        first.send(signal.SIGCONT)
        first.wait()
        if children.train(config, workdir).wait():
            lost.append('the lock outlived its process')
        lost += runs.differences(workdir, folder / 'whole', folder / 'compared.log')
    yield Row('two trainings in one workdir', _REPEATS, max(0, _REPEATS - len(lost)), tuple(lost))
