"""What grows with time: the cost of a save, and the memory of a run."""

import json
import pathlib
import time
from collections.abc import Iterator

from tests.torture import children, runs
from tests.torture.table import Row

_SAVES = 1000
_STEPS = 4000
_SLOWER = 1.3  # The last tenth of the saves may take so much longer than the first.
_GROWTH = 1.1  # The memory at the end of a run may be so much larger than after a quarter.


def rows(folder: pathlib.Path, names: list[str], *, kills: int) -> Iterator[Row]:
    """Yields a row for 1,000 saves and one for a long run."""
    del kills
    folder.mkdir()
    yield _many_saves(folder)
    yield _long_run(folder, names[0])


def _many_saves(folder: pathlib.Path) -> Row:
    log = folder / 'saves.log'
    line = children.call(lambda: [json.dumps(_saves(folder / 'saves'))], log, seconds=7200)[-1]
    if not line.startswith('['):
        return Row(f'{_SAVES} saves', _SAVES, 0, (line,))
    first, last = json.loads(line)
    lost = () if last < _SLOWER * first else (f'{first:.3f} s grew to {last:.3f} s',)
    fault = f'{_SAVES} saves: CPU time of the last tenth is {last / first:.2f} of that of the first'
    return Row(fault, _SAVES, _SAVES * (not lost), lost)


def _saves(folder: pathlib.Path) -> tuple[float, float]:
    """Returns the CPU seconds of the first and of the last tenth of the saves."""
    import jax.numpy as jnp

    from imggen.workdir.checkpoint import Checkpoints

    checkpoints = Checkpoints(folder, keep_best=True)
    times = []
    for step in range(1, _SAVES + 1):
        state = {'parameters': jnp.full((1000,), float(step))}
        started = time.process_time()
        checkpoints.save(step, state, {'frechet': float(_SAVES - step)})
        checkpoints.wait()
        times.append(time.process_time() - started)
    tenth = _SAVES // 10
    return sum(times[:tenth]), sum(times[-tenth:])


def _long_run(folder: pathlib.Path, name: str) -> Row:
    config = runs.write_config(folder / name, name, checkpoint_every_steps=20)
    workdir = folder / name / 'long'
    child = children.train(config, workdir, f'--config.method.num_steps={_STEPS}')
    early = late = 0
    while child.poll() is None:
        step, memory = runs.last_step(workdir), _resident(child.pid)
        if step < _STEPS // 4:
            early = max(early, memory)
        late = memory or late
        time.sleep(0.1)
    lost = [] if child.status == 0 else [child.said[-300:]]
    if late > _GROWTH * early:
        lost.append(f'{early} MiB grew to {late} MiB')
    fault = (
        f'{_STEPS} steps with {_STEPS // 20} saves: {early} MiB after a quarter, {late} at the end'
    )
    return Row(fault, 1, int(not lost), tuple(lost))


def _resident(pid: int) -> int:
    """Returns the resident memory of a process in MiB; 0 if it has ended."""
    try:
        lines = pathlib.Path(f'/proc/{pid}/status').read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith('VmRSS')), 0)
