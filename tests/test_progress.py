"""The time that is left, where nobody watches a terminal."""

import re

import pytest

from imggen import progress


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(progress.time, 'monotonic', lambda: Clock.now)
    return Clock


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_the_time_left_is_that_of_the_units_that_are_left(clock, capsys):
    shown = progress.Progress(100)
    for done in range(10, 60, 10):
        clock.now += 20.0
        shown.advance(done)
    assert lines(capsys)[-1] == 'step 50/100, 1:40 left'


def test_a_slower_phase_is_believed_at_once(clock, capsys):
    """A hundred quick steps say nothing of the slow ones that are left."""
    shown = progress.Progress(120, unit='step')
    for done in range(10, 110, 10):
        clock.now += 1.0
        shown.advance(done, label='l1')
    clock.now += 600.0
    shown.advance(110, label='adversarial')
    assert lines(capsys)[-1] == 'adversarial step 110/120, 10:00 left'


def test_a_pace_that_is_told_counts_and_not_the_clock(clock, capsys):
    """Each phase begins with a compilation, which is no part of its steps."""
    shown = progress.Progress(120)
    for done, label in ((50, 'l1'), (100, 'l1'), (110, 'adversarial')):
        clock.now += 600.0
        shown.advance(done, label=label, seconds=0.5)
    assert [line.split(', ')[1] for line in lines(capsys)] == [
        '0:35 left',
        '0:10 left',
        '0:05 left',
    ]


def test_the_time_left_of_a_phase_is_not_called_that_of_the_run(clock, capsys):
    shown = progress.Progress(120)
    for done, label, until in ((50, 'l1', 100), (110, 'adversarial', 120)):
        clock.now += 600.0
        shown.advance(done, label=label, seconds=0.5, until=until)
    assert [line.split(', ')[1] for line in lines(capsys)] == ['0:25 left of l1', '0:05 left']


def test_the_end_of_a_phase_says_nothing_of_the_next_one(clock, capsys):
    shown = progress.Progress(120)
    clock.now += 600.0
    shown.advance(100, label='l1', scalars={'loss': 2.0}, seconds=0.5, until=100)
    assert lines(capsys) == ['l1 step 100/120, loss 2']


def test_a_file_of_records_tells_the_time_left_of_its_phase():
    """Ten steps of a second each, then steps of three."""
    steps, seconds = [5, 10, 15, 20], [5.0, 10.0, 25.0, 40.0]
    info = {'num_steps': 40, 'phase': {'name': 'flow', 'begin': 10, 'end': 40}}
    assert progress.time_left(info, steps, seconds) == (60.0, '')
    first = {'num_steps': 40, 'phase': {'name': 'autoencoder', 'begin': 0, 'end': 10}}
    assert progress.time_left(first, steps[:1], seconds[:1]) == (5.0, 'autoencoder')
    assert progress.time_left(first, steps[:2], seconds[:2]) is None
    assert progress.time_left({'num_steps': 40}, steps[:2], seconds[:2]) == (30.0, '')
    assert progress.time_left({}, steps, seconds) is None
    assert progress.time_left(info, (), ()) is None


def test_one_slow_record_among_many_counts_in_part(clock, capsys):
    shown = progress.Progress(1000)
    for done in range(10, 100, 10):
        clock.now += 10.0
        shown.advance(done)
    clock.now += 110.0  # Compiling, or a machine that slept.
    shown.advance(100)
    assert lines(capsys)[-1] == 'step 100/1000, 31:40 left'  # 190 seconds for the last 90 steps.


def test_chunks_do_not_shake_the_time_left(clock, capsys):
    """256 images are drawn in 100 s, and measured in eight batches of 5 s."""
    shown = progress.Progress(2048, unit='image')
    for done in range(32, 2048, 32):
        clock.now += 105.0 if done % 256 == 32 else 5.0
        shown.advance(done)
    said = [re.match(r'image (\d+)/2048, (\d+):(\d+) left', line) for line in lines(capsys)]
    late = [tuple(map(int, match.groups())) for match in said if match and int(match[1]) > 512]
    ratios = [
        (60 * minutes + seconds) / (2048 - done) * 256 / 140 for done, minutes, seconds in late
    ]
    assert len(ratios) == 18 and all(0.8 < ratio < 1.3 for ratio in ratios)


def test_a_run_that_goes_on_counts_from_where_it_stood(clock, capsys):
    shown = progress.Progress(100, initial=90)
    clock.now += 20.0
    shown.advance(95)
    assert lines(capsys) == ['step 95/100, 0:20 left']
    shown.advance(100)
    assert lines(capsys) == ['step 100/100, 0:00 left']


def test_the_first_batch_compiles_and_the_second_one_tells_the_pace(clock, capsys):
    shown = progress.Progress(100, unit='image')
    clock.now += 60.0 + 15.0
    shown.advance(10)
    clock.now += 15.0
    shown.advance(20)
    assert lines(capsys)[-1] == 'image 20/100, 2:00 left'
