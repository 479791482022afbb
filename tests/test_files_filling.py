"""Folders that appear complete or not at all."""

import pytest

from imggen import files
from imggen.errors import UserError


def test_a_folder_appears_when_all_is_done(tmp_path):
    with files.filling(tmp_path / 'deep' / 'out') as partial:
        (partial / 'a').write_text('1')
        assert not (tmp_path / 'deep' / 'out').exists()
    assert (tmp_path / 'deep' / 'out' / 'a').read_text() == '1'
    assert not partial.exists()


def test_an_error_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.filling(tmp_path / 'out') as partial:
        (partial / 'a').write_text('1')
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_a_link_to_an_empty_folder_stays_one(tmp_path):
    (tmp_path / 'disk').mkdir()
    (tmp_path / 'out').symlink_to(tmp_path / 'disk')
    with files.filling(tmp_path / 'out') as partial:
        (partial / 'a').write_text('1')
    assert (tmp_path / 'out').is_symlink() and (tmp_path / 'disk' / 'a').exists()


def test_two_processes_cannot_fill_one_folder(tmp_path):
    with files.filling(tmp_path / 'out') as partial:
        (partial / 'a').write_text('1')
        with (
            pytest.raises(
                UserError, match=r'\.out\.partial is being filled by another process; wait'
            ),
            files.filling(tmp_path / 'out'),
        ):
            pass
    assert (tmp_path / 'out' / 'a').exists()
