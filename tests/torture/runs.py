"""Small runs of every method on files, and how two runs are compared."""

import json
import pathlib

import numpy as np

from imggen import images
from tests.helpers import cases, processes
from tests.torture import children

NUM_STEPS = 60
_TIMED = ('seconds', 'images_per_second', 'steps_per_second', 'waiting')


def methods() -> dict[str, dict]:
    """Returns the options of every method of METHODS, by its name: its first case."""
    return {case['name']: case for case in reversed(cases.CONFIGS.values())}


def write_config(folder: pathlib.Path, name: str, **run) -> pathlib.Path:
    """Writes the data and the config of a method; returns the config."""
    folder.mkdir(parents=True)
    config = {
        'seed': 0,
        'method': {**methods()[name], 'num_steps': NUM_STEPS},
        'data': _data(folder, name),
        'run': {
            'num_samples': 4,
            'log_every_steps': 5,
            'sample_every_steps': 20,
            'checkpoint_every_steps': 7,
            'keep_newest': 2,
            **run,
        },
    }
    file = folder / 'config.py'
    file.write_text(processes.CONFIG_FILE.format(config=config))
    return file


def _data(folder: pathlib.Path, name: str) -> dict:
    """Returns the data that a method needs: none, pictures for style, pairs, or images."""
    if 'problem' in methods()[name]:
        return {'name': 'none'}
    random = np.random.default_rng(0)
    pictures = folder / 'pictures'
    if name.startswith('style'):
        for file in ('content.png', 'style.png'):
            picture = random.integers(0, 256, (24, 32, 3), dtype=np.uint8)
            images.write_png(pictures / file, picture)
        files = {part: str(pictures / f'{part}.png') for part in ('content', 'style')}
        return {'name': 'style', 'size': 32, **files}
    if name in ('bridge', 'colorize', 'pix2pix', 'super_resolution'):
        for index in range(12):
            picture = random.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            images.write_png(pictures / f'{index}.png', picture)
        task = {'task': 'downscale', 'scale': 2} if name == 'super_resolution' else {}
        size = {'size': (16, 16), 'batch_size': 4, 'test_fraction': 0.2}
        return {'name': 'pairs', 'path': str(pictures), **size, **task}
    return {'name': 'idx', 'path': str(processes.write_set(folder / 'set')), 'batch_size': 16}


def last_step(workdir: pathlib.Path) -> int:
    """Returns the last step in metrics.jsonl; 0 without one."""
    found = records(workdir)
    return found[-1].get('step', 0) if found else 0


def records(workdir: pathlib.Path) -> list[dict]:
    """Returns the whole lines of metrics.jsonl without what depends on the clock."""
    try:
        lines = (workdir / 'metrics.jsonl').read_text().split('\n')[:-1]
    except OSError:
        return []
    return [
        {name: value for name, value in json.loads(line).items() if name not in _TIMED}
        for line in lines
    ]


def differences(workdir: pathlib.Path, whole: pathlib.Path, log: pathlib.Path) -> list[str]:
    """Says how a finished run differs from the uninterrupted one: arrays, records, files."""
    said = untimed_differences(workdir, whole)
    return said + children.call(lambda: _array_differences(workdir, whole), log)


def untimed_differences(workdir: pathlib.Path, whole: pathlib.Path) -> list[str]:
    """Says how the records and the files of two runs differ, except for what the clock says."""
    said = []
    if records(workdir) != records(whole):
        said.append('metrics.jsonl differs')
    ours, theirs = _files(workdir), _files(whole)
    if ours.keys() != theirs.keys():
        said.append(f'files differ: {sorted(ours.keys() ^ theirs.keys())}')
    both = sorted(ours.keys() & theirs.keys())
    said += [f'{name} differs' for name in both if ours[name] != theirs[name]]
    if json.loads((workdir / 'run.json').read_text())['status'] != 'finished':
        said.append('run.json does not say that it is finished')
    return said


def _files(workdir: pathlib.Path) -> dict[str, bytes]:
    """Returns the pictures of a run, by name."""
    paths = [path for part in ('samples', 'results') for path in (workdir / part).rglob('*')]
    return {str(path.relative_to(workdir)): path.read_bytes() for path in paths if path.is_file()}


def _array_differences(*workdirs: pathlib.Path) -> list[str]:
    import jax
    import orbax.checkpoint as ocp

    with ocp.StandardCheckpointer() as checkpointer:
        a, b = (
            jax.tree.map(
                np.asarray, checkpointer.restore(path / 'checkpoints' / str(NUM_STEPS) / 'state')
            )
            for path in workdirs
        )
    if jax.tree.structure(a) != jax.tree.structure(b):
        return ['the states have other structures']
    named = zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True)
    return [
        f'{jax.tree_util.keystr(path)} differs'
        for (path, one), other in named
        if one.tobytes() != other.tobytes()
    ]
