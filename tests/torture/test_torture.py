"""A short version of the torture, so that it stays able to run and to notice."""

import pathlib
import subprocess
import sys

import pytest

from tests.torture import runs
from tests.torture.table import Row, Table

_ROOT = pathlib.Path(__file__).parents[2]
_METHODS = ('pixel_average', 'gradient_ascent')  # The quickest to compile.


@pytest.fixture(scope='module')
def table(tmp_path_factory):
    """The rows of one kill of each of two methods."""
    output = tmp_path_factory.mktemp('torture') / 'table.md'
    command = [sys.executable, '-m', 'tests.torture', '--kinds=kills', '--kills=1']
    done = subprocess.run(
        [*command, f'--methods={",".join(_METHODS)}', f'--output={output}'],
        cwd=_ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return output.read_text().splitlines()


def test_methods_survive_a_kill(table):
    assert table[0] == '| fault | injected | survived | lost |'
    assert [row.split('(')[0] for row in table[2:]] == [f'| SIGKILL, {name} ' for name in _METHODS]
    assert all(row.endswith('| 1 | 1 | 0 |') for row in table[2:])


def test_what_is_lost_is_counted(tmp_path, capsys):
    printed = Table(tmp_path / 'table.md')
    printed.add(Row('a fault', 3, 2, ('x differs',)))
    assert printed.lost == 1
    assert (tmp_path / 'table.md').read_text().endswith('| a fault | 3 | 2 | 1 |\n')
    assert 'lost: a fault: x differs' in capsys.readouterr().err


def test_another_record_is_a_difference(tmp_path):
    for name, loss in (('a', 0.5), ('b', 0.25)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / 'metrics.jsonl').write_text(f'{{"step": 1, "loss": {loss}, "seconds": 1}}\n{{"st')
        (folder / 'run.json').write_text('{"status": "finished"}')
    a, b = tmp_path / 'a', tmp_path / 'b'
    assert runs.untimed_differences(a, a) == []
    assert runs.untimed_differences(a, b) == ['metrics.jsonl differs']
    assert runs.last_step(a) == 1
