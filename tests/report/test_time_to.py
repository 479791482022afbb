"""Training time until a metric reaches a target."""

import pathlib

import pytest

from imggen.errors import UserError
from imggen.report import time_to
from imggen.workdir.reader import Run
from imggen.workdir.records import collect


def run(shares, seed, distances):
    records = []
    for index, distance in enumerate(distances, 1):
        records.append({'step': index, 'seconds': 10.0 * index, 'loss': 1.0})
        records.append({'step': index, 'frechet': distance})
    config = {'seed': seed, 'method': {'shares': shares}}
    return Run(pathlib.Path('made'), 'made', config, {}, collect([records]), [], [])


def test_the_first_time_counts():
    records = run((1,), 0, [9.0, 5.0, 7.0, 3.0]).records
    assert time_to.seconds_to(records, 'frechet', 5.0) == 20.0
    assert time_to.seconds_to(records, 'frechet', 3.0) == 40.0
    assert time_to.seconds_to(records, 'frechet', 2.0) is None


def test_a_row_a_variant_the_median_over_seeds():
    runs = [
        run([1, 1], 0, [9.0, 5.0, 4.0]),
        run([1, 1], 1, [5.0, 4.0, 3.0]),
        run([0, 1], 0, [9.0, 9.0, 5.0]),
        run([0, 1], 1, [9.0, 9.0, 9.0]),
    ]
    rows = time_to.table(runs, 'frechet', [5.0, 1.0]).splitlines()
    assert rows[0] == '| variant | frechet 5 | frechet 1 |'
    assert rows[2] == '| method.shares=[1, 1] | 15 s | never |'
    assert rows[3] == '| method.shares=[0, 1] | 30 s (1 of 2) | never |'


def test_runs_without_the_metric_are_refused():
    with pytest.raises(UserError, match=r"measured 'kid': set config\.run\.measure_every_steps"):
        time_to.table([run([1], 0, [1.0])], 'kid', [1.0])
