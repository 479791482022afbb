"""The parts of the report: averages, axes, choice of sheets, digits, caveats."""

import base64
import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imggen import seed_statistics
from imggen.report import averages, axes, dots, finding, groups, markup, sheets
from imggen.workdir import reader
from tests.helpers import made_runs


@pytest.mark.parametrize(
    ('value', 'spread', 'written'),
    [
        (2.3456, 0.123, '2.35 ± 0.12'),
        (0.001, 0.0002, '0.00100 ± 0.00020'),
        (1234.5, 56.7, '1,234 ± 57'),
        (2.3, None, '2.300'),
        (2.3, 0.0, '2.300'),
        (0.00001, None, '0.00001'),
        (math.nan, 0.1, 'NaN'),
        (10**400, None, str(10**400)),
    ],
)
def test_a_spread_decides_the_digits(value, spread, written):
    assert markup.with_spread(value, spread) == written


def _runs_of(courses):
    """Makes runs that record `loss` at the steps given: one {step: value} a seed."""
    return [
        reader.Run(
            path=None,
            name=str(seed),
            config={'seed': seed},
            info={},
            records=[{'step': step, 'loss': value} for step, value in course.items()],
            evaluations=[],
            samples=[],
        )
        for seed, course in enumerate(courses)
    ]


def test_curves_average_over_seeds_step_by_step():
    made = _runs_of([{10: 1.0, 20: 2.0, 30: 5.0}, {10: 3.0, 20: math.nan}, {10: 8.0, 20: 4.0}])
    ((curve,), lost) = averages.curves(made, groups.group(made), 'loss')
    assert lost == 1
    np.testing.assert_allclose(curve.steps, [10, 20, 30])
    np.testing.assert_allclose(curve.mean, [4.0, 3.0, 5.0])
    np.testing.assert_allclose(curve.spread, [np.std([1, 3, 8], ddof=1), np.std([2, 4], ddof=1), 0])


def test_long_curves_are_averaged_in_stretches_and_keep_their_mean():
    values = np.random.default_rng(0).normal(size=4800)
    made = _runs_of([dict(enumerate(values.tolist()))])
    ((curve,), _) = averages.curves(made, groups.group(made), 'loss')
    assert len(curve.mean) == 240
    np.testing.assert_allclose(curve.mean, values.reshape(240, 20).mean(axis=1))
    assert curve.spread is None


def test_smoothing_keeps_lines_and_lessens_noise():
    line = np.linspace(-1.0, 3.0, 97)
    np.testing.assert_allclose(averages.smooth(line)[10:-10], line[10:-10], atol=1e-12)
    np.testing.assert_allclose(averages.smooth(np.full(97, 2.5)), 2.5)
    noise = np.random.default_rng(1).normal(size=2000)
    assert averages.smooth(noise).std() < 0.2


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40))
def test_an_axis_holds_few_values_and_its_ticks(values):
    axis = axes.fit(values)
    assert axis.low < axis.high
    assert all(-1e-9 <= axis.place(value) <= 1 + 1e-9 for value in values)
    ticks = axis.ticks()
    assert len(ticks) <= 12
    assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in ticks)
    assert ticks == sorted(ticks)


def test_an_axis_turns_logarithmic_for_many_magnitudes_and_trims_outliers():
    assert axes.fit([0.001, 0.1, 10.0]).log
    assert not axes.fit([1.0, 3.0]).log
    assert not axes.fit([-1.0, 0.001, 100.0]).log
    spiked = [0.1 * (index % 10) - 0.3 for index in range(200)] + [1e6]
    assert axes.fit(spiked).high < 2.0
    assert axes.fit(spiked, trim=False).high > 1e6


@given(st.integers(1, 50), st.integers(1, 500))
def test_chosen_sheets_are_even_and_hold_the_last(count, total):
    chosen = sheets.evenly(count, total)
    assert len(chosen) == min(count, total)
    assert chosen == sorted(set(chosen))
    assert chosen[-1] == total - 1
    if len(chosen) > 1:
        assert chosen[0] == 0
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1


def _decoded(frame):
    data = base64.b64decode(frame.uri.removeprefix('data:image/webp;base64,'))
    return len(data), np.asarray(Image.open(io.BytesIO(data)).convert('RGB'))


def test_sheets_are_embedded_without_loss_while_there_is_room(tmp_path):
    folder = made_runs.write_run(tmp_path / 'run', sheets=4, size=10, records=10)
    run = reader.read(folder)
    film = sheets.film(run.samples, allowed=10**6)
    assert [frame.step for frame in film.frames] == [0, 1333, 2666, 4000]
    assert film.note == ''
    for frame, (_, path) in zip(film.frames, run.samples, strict=True):
        with Image.open(path) as sheet:
            np.testing.assert_array_equal(_decoded(frame)[1], np.asarray(sheet.convert('RGB')))


@pytest.mark.parametrize('allowed', [60_000, 20_000, 4_000])
def test_sheets_keep_to_the_room_that_they_have(tmp_path, allowed):
    run = reader.read(made_runs.write_run(tmp_path / 'run', sheets=9, size=16, records=10))
    film = sheets.film(run.samples, allowed=allowed)
    assert sum(_decoded(frame)[0] for frame in film.frames) <= allowed
    assert film.frames[-1].step == 4000
    assert len(film.frames) >= 2
    with Image.open(run.samples[-1][1]) as sheet:
        assert (film.frames[0].width, film.frames[0].height) == sheet.size
    assert 'of 9 sheets' in film.note or 'with loss' in film.note


def test_every_caveat_of_a_comparison_has_words():
    cases = {
        'interval contains zero': ({0: 1.0, 1: 3.0, 2: 1.0}, {0: 2.0, 1: 2.0, 2: 2.0}),
        'within one spread': ({0: 1.1, 1: 5.1, 2: 9.1}, {0: 1.0, 1: 5.0, 2: 9.05}),
        'few seeds': ({0: 3.0, 1: 3.1}, {0: 1.0, 1: 1.2}),
        'one seed': ({0: 3.0}, {0: 1.0}),
    }
    for note, pair in cases.items():
        compared = seed_statistics.compare(*pair)
        assert compared.note == note
        assert finding.difference(compared).endswith('.')
    assert 'no seed in common' in finding.difference(seed_statistics.compare({0: 1.0}, {1: 1.0}))


def _measured(name, config, **metrics):
    line = {'step': 1, 'extractor': 'fashion_classifier', 'metrics': metrics}
    return reader.Run(None, name, config, {}, [], [line], [])


def test_a_measure_that_few_runs_have_does_not_lead():
    made = [_measured(str(seed), {'seed': seed}, transfer=0.5, own=1.0) for seed in range(3)]
    made[0].evaluations[0]['metrics']['coverage'] = (
        1.0  # Of an archive, which only one of them has.
    )
    (lines,) = groups.evaluations(made).values()
    assert groups.measure_names(lines) == ['transfer', 'own', 'coverage']


def test_groups_of_several_sweeps_are_called_by_the_sweep_and_not_by_the_seed():
    options = {f'option{number}': number for number in range(6)}  # Too many for a label.
    made = [
        _measured(f'{sweep}/seed={seed}', {'seed': seed, 'method': own}, frechet=1.0)
        for sweep, own in {'gan': options, 'flow': {}}.items()
        for seed in range(2)
    ]
    assert [one.label for one in groups.group(made)] == ['gan', 'flow']


def test_long_labels_give_up_the_names_of_settings_before_they_are_cut():
    assert dots.shorten('loss=hinge, encoding=pixels') == 'loss=hinge, encoding=pixels'
    label = 'name=map_elites, num_steps=200, encoding=runs/gan'
    assert dots.shorten(label) == 'map_elites, 200, runs/gan'
    assert dots.shorten('x' * 99) == 'x' * 33 + '…'
