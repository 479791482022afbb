"""Everything that reads from outside, given damaged and hostile input.

An input survives if it is read or refused by a UserError. Any other exception, and memory beyond
what the file could need, counts as lost. The suite runs each attack a few times
(tests/test_outside.py), and `python -m tests.torture --kinds=outside` makes 100,000 attacks.
"""

import contextlib
import copy
import functools
import io
import json
import math
import os
import pathlib
import pickle
import random
import resource
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence

import jax.numpy as jnp
import ml_collections
import numpy as np
from absl import logging

from imggen.errors import UserError
from imggen.features import archive, pickles
from imggen.inference import load
from imggen.report import page
from imggen.sweep import plan, points, table
from imggen.workdir import reader
from imggen.workdir import weights as exported
from tests.helpers import made_runs, made_sweep, torch_file, untrained
from tests.torture.table import Row

_ODD = (None, True, -1, 0, 2**53, 10**400, 1e308, math.nan, math.inf, '', 'x' * 300, '\ud800')
_ODD += ('<script>', '../..', '\0', [], {}, [1, 'a'], {'': None}, {'a': {'b': [{}]}}, '$\\frac{')
_ROOM_KB = 400_000  # What the process may grow by, many times what the largest input holds.


def damaged(data: bytes, rng: random.Random) -> bytes:
    """Changes some bytes, and cuts, repeats or fills a part."""
    changed = bytearray(data or b' ')
    for _ in range(rng.randint(0, 6)):
        changed[rng.randrange(len(changed))] = rng.choice((0, 255, rng.randrange(256)))
    start, end = sorted(rng.randrange(len(changed)) for _ in range(2))
    match rng.randrange(5):
        case 0:
            del changed[start:]
        case 1:
            del changed[start:end]
        case 2:
            changed[start:start] = changed[start:end]
        case 3:
            changed[start:start] = rng.randbytes(rng.randint(1, 40))
    return bytes(changed)


def altered(value, rng: random.Random):
    """Replaces, removes or adds some nodes of a JSON value."""
    value = copy.deepcopy(value)
    for _ in range(rng.randint(1, 4)):
        node = value
        while True:
            keys = list(node if isinstance(node, dict) else range(len(node)))
            if not keys:
                break
            key = rng.choice(keys)
            if isinstance(node[key], dict | list) and node[key] and rng.random() < 0.6:
                node = node[key]
                continue
            if rng.random() < 0.2:
                del node[key]
            else:
                node[key] = copy.deepcopy(rng.choice(_ODD))
            break
    return value


def pth(folder: pathlib.Path, rng: random.Random) -> None:
    """A PyTorch file, in both layouts."""
    numbers = np.arange(12, dtype='<f4').tobytes()
    body = torch_file.state_dict(
        x=torch_file.tensor('0', (3, 4), (4, 1)), y=torch_file.tensor('0', (12,), (1,))
    )
    path = folder / 'net.pth'
    if rng.random() < 0.5:
        torch_file.zip_file(path, body, numbers)
    else:
        path.write_bytes(torch_file.legacy_bytes(body, (12, numbers)))
    path.write_bytes(damaged(path.read_bytes(), rng))
    for array in pickles.read_torch(path).values():
        array.sum()


def ckpt(folder: pathlib.Path, rng: random.Random) -> None:
    """A pickle of NumPy arrays."""
    tree = {'a': {'kernel': np.ones((2, 3), np.float32)}, 'b': np.arange(3)}
    path = folder / 'net.ckpt'
    path.write_bytes(damaged(pickle.dumps(tree, protocol=3), rng))
    pickles.read_numpy(path)


def npz(folder: pathlib.Path, rng: random.Random) -> None:
    """An archive of arrays, packed or not."""
    buffer = io.BytesIO()
    save = rng.choice((np.savez, np.savez_compressed))
    save(buffer, a=np.ones((4, 5)), b=np.asfortranarray(np.ones((2, 3))), text=np.array('abc'))
    path = folder / 'net.npz'
    path.write_bytes(damaged(buffer.getvalue(), rng))
    archive.read(path)


def h5(folder: pathlib.Path, rng: random.Random) -> None:
    """A Keras weight file."""
    import h5py

    path = folder / 'net.h5'
    with h5py.File(path, 'w') as file:
        file['block1_conv1/block1_conv1/kernel:0'] = np.ones((3, 3, 3, 2), np.float32)
        file['block1_conv1/block1_conv1/bias:0'] = np.ones(2, np.float32)
    path.write_bytes(damaged(path.read_bytes(), rng))
    archive.read_keras(path)


def safetensors(folder: pathlib.Path, rng: random.Random) -> None:
    """Exported weights."""
    state = {'params': {'kernel': jnp.ones((3, 4)), 'bias': jnp.zeros(4)}}
    path = folder / 'weights.safetensors'
    exported.write(path, state, step=3)
    path.write_bytes(damaged(path.read_bytes(), rng))
    exported.step(path)
    exported.read(path, state)


_RUN = {
    'config.json': {'format': reader.FORMAT, **made_runs.config_of()},
    'run.json': {
        'command': 'c',
        'revision': 'r',
        'versions': made_runs.VERSIONS,
        'hardware': 'h',
        'source': 's',
        'num_steps': 4,
        'step': 4,
        'seconds': 2.5,
        'sessions': 1,
        'status': 'finished',
        'batch': {'image': [[4, 8, 8, 1], 'float32']},
        'error': 'e',
    },
    'metrics.jsonl': [
        {'step': step, 'phase': 'train', 'seconds': 1.5, 'loss': 1 / step, 'images_per_second': 2.0}
        for step in (1, 2, 3, 4)
    ],
    'evaluations.jsonl': [made_runs.evaluation(4, {'frechet': 1.5, 'kid': 0.1})],
}
_SWEEP = {
    'command': 'c',
    'config': 'configs/x.py',
    'fixed': {'data.size': [8, 8]},
    'axes': [{'name': 'seed', 'values': [0, 1]}],
    'runs': [{'name': f'seed={seed}', 'overrides': {'seed': seed}} for seed in (0, 1)],
}


def runs(folder: pathlib.Path, rng: random.Random) -> None:
    """A sweep of two runs, one of whose files is damaged: its table, and sometimes its page."""
    files = {f'seed={seed}/{name}': value for seed in (0, 1) for name, value in _RUN.items()}
    files |= {'sweep.json': _SWEEP, 'failed.json': {'seed=1': 'It broke.'}}
    target = rng.choice(list(files))
    for name, value in files.items():
        if name == target and rng.random() < 0.7:
            value = altered(value, rng)
        lines = value if isinstance(value, list) else [value]
        data = '\n'.join(map(json.dumps, lines)).encode()
        if name == target and rng.random() < 0.4:
            data = damaged(data, rng)
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    with contextlib.suppress(UserError):
        made = table.make(folder)
        table.to_markdown(made), table.to_csv(made), table.to_html(made)
    found = reader.find(folder)
    if rng.random() < 0.02:
        planned, failed = reader.planned(folder), reader.failures(folder)
        page.render(found, title=folder.name, planned=len(planned), failures=failed)


def names(folder: pathlib.Path, rng: random.Random) -> None:
    """A run in a folder whose name is any bytes; its page is written."""
    name = bytes(rng.choice(b'\xff\x01\n<>"\'&%$ab.-= \xc3') for _ in range(rng.randint(1, 60)))
    run = folder / os.fsdecode(name.strip(b'.') or b'x')
    run.mkdir()
    (run / 'config.json').write_text(json.dumps(_RUN['config.json']))
    page.write([run]).read_text(encoding='utf-8')


_AXES = ('seed=0..4', 'method.loss=a,"b,c"', 'method.widths=(1,2),(3,)', 'method.sigma=1,0.5')
_AXES += (f'seed=0..{10**300}', f'seed={"9" * 5000}', 'method.widths=' + '(' * 400, 'seed=0..1_0')


def axes(folder: pathlib.Path, rng: random.Random) -> None:
    """The values of a sweep's axis."""
    config = ml_collections.ConfigDict(made_sweep.OPTIONS)
    text = damaged(rng.choice(_AXES).encode(), rng).decode('utf-8', 'surrogateescape')
    made = points.check(points.parse_axis(text, config), config)
    planned = plan.make_plan(made, command=text, config='c.py', fixed={})
    for name, point in list(planned.runs.items())[:20]:
        assert points.is_run_name(name)
        json.dumps(points.override(config, point))


@functools.cache
def _model() -> dict[str, bytes]:
    """Returns the files of an exported model."""
    with tempfile.TemporaryDirectory() as folder:
        shapes = {'image': (4, 8, 8, 1), 'label': (4,)}
        written = untrained.write(pathlib.Path(folder), untrained.GAN, shapes)
        return {path.name: path.read_bytes() for path in written.iterdir()}


def models(folder: pathlib.Path, rng: random.Random) -> None:
    """An exported model, as others share it: its config or its run.json is damaged."""
    target = rng.choice(('config.json', 'run.json'))
    for name, data in _model().items():
        if name == target:
            value = altered(json.loads(data), rng)
            if name == 'config.json':
                value['format'] = reader.FORMAT
            data = json.dumps(value).encode()
        (folder / name).write_bytes(data)
    load.load(folder)


ATTACKS: dict[str, Callable[[pathlib.Path, random.Random], None]] = {
    'damaged .pth': pth,
    'damaged .ckpt': ckpt,
    'damaged .npz': npz,
    'damaged .h5': h5,
    'damaged .safetensors': safetensors,
    'damaged files of runs and sweeps': runs,
    'damaged exported models': models,
    'names of folders': names,
    'axes of a sweep': axes,
}
_FOR_EACH_KILL = 5000
# A process reads each, a method is made, or a page is written.
_SHARES = {'damaged .h5': 0.02, 'damaged exported models': 0.02, 'names of folders': 0.002}


def survives(attack: Callable, folder: pathlib.Path, seed: int) -> None:
    """Makes one attack in an empty folder; raises what is neither success nor UserError."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(UserError):
        attack(folder, random.Random(seed))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < _ROOM_KB, f'the process grew by {grown} KB'


def rows(folder: pathlib.Path, methods: Sequence[str], *, kills: int) -> Iterator[Row]:
    """Makes 5,000 attacks for each of `kills`, on what no method has a part in."""
    del methods
    folder.mkdir(parents=True, exist_ok=True)
    logging.set_verbosity(logging.ERROR)  # Damaged lines are named by the thousand.
    share = _FOR_EACH_KILL * kills // (len(ATTACKS) - len(_SHARES))
    for fault, attack in ATTACKS.items():
        injected = max(1, round(_SHARES.get(fault, 1.0) * share))
        lost = []
        for seed in range(injected):
            with tempfile.TemporaryDirectory(dir=folder) as empty:
                try:
                    survives(attack, pathlib.Path(empty), seed)
                except Exception:
                    lost.append(f'seed {seed}: {traceback.format_exc()}')
        yield Row(fault, injected, injected - len(lost), tuple(lost))
