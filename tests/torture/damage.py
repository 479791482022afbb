"""Every file of the newest checkpoint damaged in every way, and strangers beside it."""

import os
import pathlib
import shutil
from collections.abc import Callable, Iterator

import numpy as np

from tests.torture import children, runs
from tests.torture.table import Row


def truncate(path: pathlib.Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: pathlib.Path) -> None:
    os.truncate(path, 0)


def remove(path: pathlib.Path) -> None:
    path.unlink()


def zero(path: pathlib.Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def flip(path: pathlib.Path) -> None:
    """Flips one bit, always the same one of a file."""
    content = bytearray(path.read_bytes())
    bit = int(np.random.default_rng(len(content)).integers(8 * len(content)))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


WAYS = (truncate, empty, remove, zero, flip)


def rows(
    folder: pathlib.Path, names: list[str], *, kills: int, files: int | None = None
) -> Iterator[Row]:
    """Yields one row for each kind of damage; `files` limits the files that are damaged."""
    del kills
    config = runs.write_config(folder, names[0])
    whole, before = folder / 'whole', folder / 'before'
    children.train(config, whole).wait()
    shutil.copytree(whole, before)
    # As it was before its last checkpoint; the newest one left is the one that is damaged.
    shutil.rmtree(before / 'checkpoints' / str(runs.NUM_STEPS))
    newest = max((before / 'checkpoints').iterdir(), key=lambda path: int(path.name))
    paths = sorted(path.relative_to(before) for path in newest.rglob('*') if path.is_file())
    for way in WAYS:
        damages = {
            str(path): (lambda workdir, path=path, way=way: way(workdir / path))
            for path in paths[:files]
        }
        yield _row(f'checkpoint file: {way.__name__}', damages, config, before, whole)
    strangers = {
        'a folder 99': lambda workdir: (workdir / 'checkpoints/99').mkdir(),
        'a file 99': lambda workdir: (workdir / 'checkpoints/99').write_text(''),
        'a folder 007': lambda workdir: (workdir / 'checkpoints/007').mkdir(),
        'a file notes.txt': lambda workdir: (workdir / 'checkpoints/notes.txt').write_text('x'),
        'every checkpoint emptied': _empty_all,
    }
    yield _row('a stranger among the checkpoints', strangers, config, before, whole)


def _row(
    fault: str,
    damages: dict[str, Callable[[pathlib.Path], object]],
    config: pathlib.Path,
    before: pathlib.Path,
    whole: pathlib.Path,
) -> Row:
    lost = []
    for name, damage in damages.items():
        workdir = config.parent / 'damaged'
        shutil.copytree(before, workdir)
        damage(workdir)
        child = children.train(config, workdir)
        said = [child.said[-300:]] if child.wait() or 'Traceback' in child.said else []
        said = said or runs.differences(workdir, whole, config.parent / 'compared.log')
        if said:
            lost.append(f'{name}: {"; ".join(said)}')
        shutil.rmtree(workdir)
    return Row(fault, len(damages), len(damages) - len(lost), tuple(lost))


def _empty_all(workdir: pathlib.Path) -> None:
    for path in (workdir / 'checkpoints').rglob('*'):
        if path.is_file():
            empty(path)
