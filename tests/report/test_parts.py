"""The parts of the report: averages, figures, choice of sheets, digits, caveats."""

import base64
import html
import io
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imggen import seed_statistics
from imggen.report import averages, finding, formats, groups, plots, sheets
from imggen.workdir import reader, records
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
    assert formats.with_spread(value, spread) == written


def _runs_of(courses):
    """Makes runs that record `loss` at the steps given: one {step: value} a seed."""
    return [
        reader.Run(
            path=None,
            name=str(seed),
            config={'seed': seed},
            info={},
            records=records.collect(
                [[{'step': step, 'loss': value} for step, value in course.items()]]
            ),
            evaluations=[],
            samples=[],
        )
        for seed, course in enumerate(courses)
    ]


def test_curves_average_over_seeds_step_by_step():
    made = _runs_of([{10: 1.0, 20: 2.0, 30: 5.0}, {10: 3.0, 20: math.nan}, {10: 8.0, 20: 4.0}])
    ((curve,), lost) = averages.curves(
        [run.records.scalars for run in made], groups.group(made), 'loss'
    )
    assert lost == 1
    np.testing.assert_allclose(curve.steps, [10, 20, 30])
    np.testing.assert_allclose(curve.mean, [4.0, 3.0, 5.0])
    np.testing.assert_allclose(curve.spread, [np.std([1, 3, 8], ddof=1), np.std([2, 4], ddof=1), 0])


def test_long_curves_are_averaged_in_stretches_and_keep_their_mean():
    values = np.random.default_rng(0).normal(size=4800)
    made = _runs_of([dict(enumerate(values.tolist()))])
    ((curve,), _) = averages.curves(
        [run.records.scalars for run in made], groups.group(made), 'loss'
    )
    assert len(curve.mean) == 240
    np.testing.assert_allclose(curve.mean, values.reshape(240, 20).mean(axis=1))
    assert curve.spread is None


def test_smoothing_keeps_lines_and_lessens_noise():
    line = np.linspace(-1.0, 3.0, 97)
    np.testing.assert_allclose(averages.smooth(line)[10:-10], line[10:-10], atol=1e-12)
    np.testing.assert_allclose(averages.smooth(np.full(97, 2.5)), 2.5)
    noise = np.random.default_rng(1).normal(size=2000)
    assert averages.smooth(noise).std() < 0.2


def test_the_last_label_of_the_steps_is_whole():
    curve = averages.Curve(0, np.array([0.0, 1500.0]), np.array([1.0, 2.0]), None)
    group = groups.Group('', {}, [0], '')
    svg, _ = plots.course('loss', [curve], [group], {0: 0}, steps=(0, 1500))
    width = float(re.search(r'viewBox="0 0 (\S+) ', svg)[1])
    middle = float(re.search(r'text-anchor: middle[^>]* x="([\d.]+)"[^>]*>1500<', svg)[1])
    assert middle + 4 * plots._LETTER / 2 <= width


def test_no_curve_is_smoothed_across_phases():
    jump = np.repeat([0.0, 5.0], 60)
    curve = averages.Curve(0, np.arange(120.0), jump, None)
    np.testing.assert_array_equal(plots._shown(curve, [60], dense=True)[0], jump)
    assert (plots._shown(curve, [], dense=True)[0] != jump).any()


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=40))
def test_a_range_holds_few_values(values):
    low, high, log = plots.limits(values)
    assert low < high
    assert low > 0 or not log
    assert low <= min(values) and max(values) <= high


def test_a_scale_turns_logarithmic_for_many_magnitudes_and_trims_outliers():
    assert plots.limits([0.001, 0.1, 10.0])[2]
    assert not plots.limits([1.0, 3.0])[2]
    assert not plots.limits([-1.0, 0.001, 100.0])[2]
    spiked = [0.1 * (index % 10) - 0.3 for index in range(200)] + [1e6]
    assert plots.limits(spiked)[1] < 2.0
    assert plots.limits(spiked, trim=False)[1] > 1e6


def _figure(*values, name='loss', **how):
    """Draws one run's values over the steps 0, 1, 2, ... as groups of one run each."""
    grouped = [groups.Group(f'run {index}', {}, [index], f'run {index}') for index in range(9)]
    made = [
        averages.Curve(index, np.arange(len(course), dtype=float), np.array(course), None)
        for index, course in enumerate(values)
    ]
    colors = {index: index for index in range(plots.NUM_COLORS)}
    return plots.course(name, made, grouped, colors, steps=(0.0, 10.0), **how)


def test_a_figure_holds_what_the_script_reads():
    drawing, remarks = _figure([1.0, 3.0, 2.0], [2.0, 2.0, 2.0])
    assert remarks == []
    assert drawing.count('class="line"') == 2
    assert 'data-group="1" data-label="run 1"' in drawing
    assert 'aria-label="loss over training steps, from 1 to 3"' in drawing
    low, high, log = re.search(r'data-y="(\S+) (\S+) (\d)"', drawing).groups()
    path = re.search(r'class="line" data-group="0".*?<path d="([^"]*)"', drawing, flags=re.S)[1]
    _, top, _, height = map(int, re.search(r'data-area="(.*?)"', drawing)[1].split())
    places = np.array([float(number) for number in re.findall(r'[\d.]+', path)][1::2])
    values = float(low) + (1 - (places - top) / height) * (float(high) - float(low))
    np.testing.assert_allclose(values, [1.0, 3.0, 2.0], atol=1e-3)
    assert log == '0'


def test_the_same_figure_is_the_same_text_and_names_no_color_of_its_own():
    drawing = _figure([1.0, 3.0, 2.0])[0]
    assert drawing == _figure([1.0, 3.0, 2.0])[0]
    assert 'stroke: var(--c0)' in drawing
    assert not re.search('#[0-9a-f]{6}', drawing)


@pytest.mark.parametrize(
    'values', [[], [1e299, -1e299], [1e-300, 1e-305], [0.0] * 60, [1e-9, 1e9], [5.0]]
)
def test_any_values_make_a_figure(values):
    assert _figure(values)[0].startswith('<svg') if values else _figure()[0].startswith('<svg')


def test_text_in_a_figure_is_text():
    attack = (
        '$x_1$ </text><script>alert(1)</script> <g id="group-0-row"> \N{CJK UNIFIED IDEOGRAPH-4E2D}'
    )
    grouped = [groups.Group(attack, {}, [index], attack) for index in range(2)]
    ranked = [(index, groups.Summary(1.0 + index, None, [1.0], 'seeds')) for index in range(2)]
    drawing = plots.dots(grouped, ranked, 0.5, {0: 0}, title=attack)
    assert '<script' not in drawing
    assert drawing.count('<title>') == drawing.count('<g class="row"')
    assert html.unescape(drawing).count('$x_1$ </text><script>alert(1)') >= 2


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


def test_sheets_of_which_none_can_be_read_are_all_named(tmp_path):
    paths = [(step, tmp_path / f'{step}.png') for step in range(3)]
    for _, path in paths:
        made_runs.write_broken_png(path)
    assert sheets.film(paths, allowed=10**6) == ([], 'not readable: 0.png, 1.png, 2.png')


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
    return reader.Run(None, name, config, {}, records.NO_RECORDS, [line], [])


def test_a_metric_that_few_runs_have_does_not_lead():
    made = [_measured(str(seed), {'seed': seed}, transfer=0.5, own=1.0) for seed in range(3)]
    made[0].evaluations[0]['metrics']['coverage'] = (
        1.0  # Of an archive, which only one of them has.
    )
    (lines,) = groups.evaluations(made).values()
    assert groups.metric_names(lines) == ['transfer', 'own', 'coverage']


def test_groups_of_several_sweeps_are_called_by_the_sweep_and_not_by_the_seed():
    options = {f'option{number}': number for number in range(6)}  # Too many for a label.
    made = [
        _measured(f'{sweep}/seed={seed}', {'seed': seed, 'method': own}, frechet=1.0)
        for sweep, own in {'gan': options, 'flow': {}}.items()
        for seed in range(2)
    ]
    assert [one.label for one in groups.group(made)] == ['gan', 'flow']


def test_long_labels_give_up_the_names_of_settings_before_they_are_cut():
    assert plots.shorten('loss=hinge, encoding=pixels') == 'loss=hinge, encoding=pixels'
    label = 'name=map_elites, num_steps=200, encoding=runs/gan'
    assert plots.shorten(label) == 'map_elites, 200, runs/gan'
    assert plots.shorten('x' * 99) == 'x' * 33 + '…'


def test_a_markdown_table_escapes_its_cells():
    written = formats.markdown_table(['a|b', 'c'], [['<b>', 'x\ny'], ['\\', '1']])
    assert written == '| a\\|b | c |\n| --- | ---: |\n| &lt;b&gt; | x y |\n| \\\\ | 1 |\n'
