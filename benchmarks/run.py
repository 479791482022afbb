r"""The table of speeds: our code next to PyTorch's, written to benchmarks/RESULTS.md.

  python -m benchmarks.run
  python -m benchmarks.run --only=dcgan,pix2pix [--again] [--torch_python=/other/venv/bin/python]
  python -m benchmarks.run --only='compile_*'

A row is written as soon as it is measured, and the same command again goes on with the next one;
--again measures rows anew. Every side of a row is a process of its own. All of them are alive at
once and take turns, so that a machine that slows down slows all of them; one that waits computes
nothing. A side that fails leaves a sentence in its row.

PyTorch, which may be installed in another environment, runs eagerly in channels_last and by
torch.compile; the table shows the faster one. Both sides compute the same, which tests/benchmarks
checks. Run it on an idle machine. The rows compile_* time how long each config of configs/ compiles
all its phases; they take long, and are measured only if --only names them.

Both sides use a GPU if they find one. There a step is short, and --longer=20 makes 20 times as many
a turn. Compilation is long, so several processes may prepare rows at the same time:

  for precision in float32 tensorfloat32 bfloat16; do
    python -m benchmarks.run --only=dcgan32 --longer=20 --precision=$precision \\
      --sides=imggen,eager --lock=/tmp/lock --output=$precision.md &
  done

With one --lock they take their turns one after the other, once all of them are ready.
"""

import contextlib
import fcntl
import fnmatch
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any, TextIO

from absl import app, flags

from benchmarks import rows, sides, table
from imggen import files

_THEIRS = ('eager', 'compiled')  # The sides of PyTorch.

_ONLY = flags.DEFINE_list('only', [], 'Names of rows, or patterns.')
_AGAIN = flags.DEFINE_bool('again', False, 'Measure rows again that are in the table.')
_TURNS = flags.DEFINE_integer('turns', 5, 'The most turns of each side.', lower_bound=1)
_TORCH_PYTHON = flags.DEFINE_string('torch_python', sys.executable, 'A Python with PyTorch.')
_OUTPUT = flags.DEFINE_string(
    'output', 'benchmarks/RESULTS.md', 'The table; what it is made from lies beside it as .jsonl.'
)
_PRECISION = flags.DEFINE_enum(
    'precision',
    'float32',
    ['float32', 'tensorfloat32', 'bfloat16'],
    'What steps compute in; rows without steps are left out unless it is float32.',
)
_LONGER = flags.DEFINE_integer('longer', 1, 'Multiplies the steps of a turn.', lower_bound=1)
_SIDES = flags.DEFINE_list('sides', ['imggen', *_THEIRS, 'matrix'], 'The sides to measure.')
_LOCK = flags.DEFINE_string(
    'lock', None, 'A file; processes that name it prepare together and take turns one by one.'
)


def measure(
    row: rows.Row,
    *,
    turns: int,
    torch_python: str,
    precision: str,
    longer: int,
    chosen: Sequence[str],
    lock: TextIO | None,
) -> dict[str, Any]:
    """Measures the chosen sides of a row.

    Returns:
      { 'load', 'revision', 'precision', 'longer', 'sides': {side: {'facts', 'warm_start',
      'seconds', 'peak_mib'} or {'failed': sentence}}}. `facts['start']` is measured with empty
      caches of programs and `warm_start` with full ones; with a lock there is neither.
    """
    _take(lock, fcntl.LOCK_SH)
    calls = {side: call for side, call in row.sides(longer=longer).items() if side in chosen}
    if precision != 'float32':
        calls.pop('matrix', None)
    found, circumstances = {}, {'load': os.getloadavg()[0], 'revision': _revision()}
    with tempfile.TemporaryDirectory() as caches, contextlib.ExitStack() as stack:

        def start(side):
            variables, python = _caches(caches), sys.executable
            if side in _THEIRS:  # Where JAX must take no memory of a GPU.
                variables, python = {**variables, 'JAX_PLATFORMS': 'cpu'}, torch_python
            return sides.started(
                *calls[side], precision=precision, python=python, variables=variables
            )

        alive = {}
        for side in calls:
            found[side] = {}
            with _noting_failure(found, side):
                alive[side] = stack.enter_context(start(side))
                found[side] = {'facts': alive[side].facts, 'seconds': []}
        _take(lock, fcntl.LOCK_EX)  # When no other process is preparing or taking turns.
        for _ in range(min(turns, row.turns)):
            for side, process in alive.items():
                if 'failed' not in found[side]:
                    with _noting_failure(found, side):
                        answer = process.turn()
                        found[side]['seconds'].append(answer['seconds'])
                        found[side]['peak_mib'] = answer['peak_mib']
        stack.close()  # The others must not wait in memory while one starts again.
        _take(lock, fcntl.LOCK_UN)
        for side in ('imggen', 'compiled') if lock is None else ():
            if 'facts' in found.get(side, {}):
                # What was measured counts, even if the second start fails.
                with contextlib.suppress(sides.SideError), start(side) as process:
                    found[side]['warm_start'] = process.facts['start']
    if lock is not None:
        for side in found.values():
            side.get('facts', {}).pop('start', None)
    check_parameters(found)
    return {**circumstances, 'precision': precision, 'longer': longer, 'sides': found}


def _take(lock: TextIO | None, operation: int) -> None:
    if lock is not None:
        fcntl.flock(lock, operation)


@contextlib.contextmanager
def _noting_failure(found: dict[str, Any], side: str):
    try:
        yield
    except sides.SideError as error:
        found[side] = {'failed': str(error)}


def check_parameters(found: dict[str, Any]) -> None:
    """Marks sides of PyTorch as failed whose networks are not as large as ours."""
    ours = found.get('imggen', {}).get('facts', {}).get('parameters')
    for side in _THEIRS:
        theirs = found.get(side, {}).get('facts', {}).get('parameters', ours)
        if None not in (ours, theirs) and ours != theirs:
            found[side] = {'failed': f'it has {theirs:,} parameters, and ours has {ours:,}'}


def _caches(folder: str) -> dict[str, str]:
    return {
        'JAX_COMPILATION_CACHE_DIR': f'{folder}/jax',
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0.5',
        'TORCHINDUCTOR_CACHE_DIR': f'{folder}/inductor',
        'TF_CPP_MIN_LOG_LEVEL': '2',
    }


def _revision() -> str:
    command = ['git', 'describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
    found = ''
    folder = pathlib.Path(__file__).parent
    with contextlib.suppress(FileNotFoundError):  # A machine without git.
        found = subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.strip()
    return found or 'unknown revision'


def read(path: pathlib.Path) -> dict[str, dict[str, Any]]:
    """Returns the stored rows by their names."""
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    return {row['name']: row for row in map(json.loads, lines)}


def write(output: pathlib.Path, stored: dict[str, dict[str, Any]]) -> None:
    """Writes the stored rows, and the table that they make."""
    lines = [f'{json.dumps(stored[name])}\n' for name in rows.ROWS if name in stored]
    files.write_text(output.with_suffix('.jsonl'), ''.join(lines))
    files.write_text(output, table.render(stored))


def _chosen(patterns: Sequence[str]) -> list[str]:
    """Returns the rows that match one of the patterns; without any, all but the compilations."""
    full = _PRECISION.value == 'float32'
    found = [name for name, row in rows.ROWS.items() if full or 'steps' in row.options]
    if not patterns:
        return [name for name in found if not name.startswith(rows.COMPILATION)]
    for pattern in patterns:
        if not fnmatch.filter(found, pattern):
            raise app.UsageError(f'--only={pattern}: there are {", ".join(found)}.')
    return [name for name in found if any(fnmatch.fnmatch(name, one) for one in patterns)]


def main(argv) -> None:
    if len(argv) > 1:
        raise app.UsageError(f'Unexpected argument {argv[1]}; flags begin with --.')
    names = _chosen(_ONLY.value)
    for side in _SIDES.value or ['']:
        if side not in _SIDES.default:
            raise app.UsageError(f'--sides={side}: there are {", ".join(_SIDES.default)}.')
    output = pathlib.Path(_OUTPUT.value)
    stored = read(output.with_suffix('.jsonl'))
    with open(_LOCK.value, 'a') if _LOCK.value else contextlib.nullcontext() as lock:
        for name in names:
            if name in stored and not _AGAIN.value:
                continue
            print(f'{name} ...', file=sys.stderr, flush=True)
            measured = measure(
                rows.ROWS[name],
                turns=_TURNS.value,
                torch_python=_TORCH_PYTHON.value,
                precision=_PRECISION.value,
                longer=_LONGER.value,
                chosen=_SIDES.value,
                lock=lock,
            )
            stored[name] = {'name': name, **measured}
            write(output, stored)
            print(table.line(name, stored[name]), flush=True)
    print(table.render(stored))


if __name__ == '__main__':
    app.run(main)
