"""Pairs that lie on disk: side by side in one file, or in two folders by name."""

import numpy as np
import pytest

from imggen import data
from imggen.data.pairs import pair_files
from imggen.errors import UserError
from tests.data.pairs.test_pairs import both, cache, levels, section, write  # noqa: F401


@pytest.mark.parametrize('direction', ['AtoB', 'BtoA'])
def test_side_by_side_files_are_halved(tmp_path, direction):
    for number in range(3):
        pair = np.full((8, 12, 3), 10 * number, np.uint8)
        pair[:, 6:] += 100
        write(tmp_path / 'ab' / f'{number}.png', pair)
    config = section(tmp_path / 'ab', task='side_by_side', size=(8, 6), direction=direction)
    for batch in both(config):
        first, second = (levels(batch[name])[:, 0, 0, 0] for name in ('input', 'target'))
        difference = 100 if direction == 'AtoB' else -100
        np.testing.assert_array_equal(second - first, difference)
        assert np.all(np.minimum(first, second) % 10 == 0)


def test_two_folders_are_matched_by_name(tmp_path, caplog):
    sides = tmp_path / 'inputs', tmp_path / 'targets'
    for number in range(4):
        write(sides[0] / 'deep' / f'{number}.png', np.full((8, 6, 3), number, np.uint8))
        write(sides[1] / 'deep' / f'{number}.bmp', np.full((16, 12, 3), 50 + number, np.uint8))
    write(sides[0] / 'lonely.png', np.zeros((8, 6, 3), np.uint8))
    write(sides[1] / 'single.png', np.zeros((8, 6, 3), np.uint8))
    write(sides[0] / 'deep' / '3.bmp', np.zeros((8, 6, 3), np.uint8))
    write(sides[0] / 'tall.png', np.zeros((16, 6, 3), np.uint8))
    write(sides[1] / 'tall.png', np.zeros((8, 6, 3), np.uint8))
    config = section(sides[0], task='two_folders', target_path=str(sides[1]), size=(8, 6))
    with caplog.at_level('WARNING', logger='absl'):
        batches = both(config)
    for batch in batches:
        first, second = (levels(batch[name])[:, 0, 0, 0] for name in ('input', 'target'))
        np.testing.assert_array_equal(second, first + 50)
        assert set(first) <= {0, 1, 2}
    skipped = [record.getMessage() for record in caplog.records]
    for told in (
        'lonely.png: the folder of the targets has no lonely.*',
        'single.png: the folder of the inputs has no single.*',
        '2 inputs and 1 targets are named deep/3.*',
        'tall.png is 6 x 16 and',
    ):
        assert sum(told in line for line in skipped) == 1, told  # Not for each source anew.


def test_a_file_that_is_no_pair_side_by_side_is_named(tmp_path):
    write(tmp_path / 'ab' / 'odd.png', np.zeros((8, 13, 3), np.uint8))
    with pytest.raises(UserError, match=r'none of the pictures.*odd\.png is 13 pixels wide'):
        data.make(section(tmp_path / 'ab', task='side_by_side'), seed=0)


def test_matching_takes_names_without_their_ending_and_never_guesses():
    matched, unmatched = pair_files.match(
        ('a/x.png', 'b.y.jpg', 'c.png'), ('a/x.tif', 'b.y.png', 'x.png')
    )
    assert matched == {'a/x.png': 'a/x.tif', 'b.y.jpg': 'b.y.png'}
    assert [file for file, _ in unmatched] == ['c.png', 'x.png']
