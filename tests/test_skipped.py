"""The list of files that were passed over."""

from imggen import skipped


def test_all_are_written_down_and_the_first_are_shown(tmp_path):
    reasons = [f'{number}.png is damaged' for number in range(25)]
    assert skipped.lines(reasons[:20]) == [f'skipped: {reason}' for reason in reasons[:20]]
    assert skipped.lines(reasons)[20:] == ['skipped: 5 more']
    assert skipped.lines(reasons, folder=tmp_path)[20:] == [
        f'skipped: 5 more, all in {tmp_path}/skipped.txt'
    ]
    skipped.write(tmp_path, reasons)
    assert (tmp_path / 'skipped.txt').read_text().splitlines() == reasons
    skipped.write(tmp_path, [])
    assert not (tmp_path / 'skipped.txt').exists()


def test_names_that_a_terminal_would_obey_are_escaped(tmp_path):
    name = 'a\n\x1b[2J\u202e\udcff ü.png'
    assert skipped.printable(name) == r'a\n\x1b[2J\u202e\udcff' + ' ü.png'
    skipped.write(tmp_path, [name])
    assert len((tmp_path / 'skipped.txt').read_text(encoding='utf-8').splitlines()) == 1
