"""Input from outside is read or refused in a sentence, whatever is in it."""

import pathlib
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.torture import outside

_EXAMPLES = {'damaged .h5': 3, 'names of folders': 3, 'damaged exported models': 10}
_EXAMPLES |= {'damaged files of runs and sweeps': 60}


@pytest.mark.parametrize('fault', outside.ATTACKS)
def test_input_from_outside_is_read_or_refused(fault):
    if fault == 'damaged .h5':
        pytest.importorskip('h5py', reason='h5py is not installed')

    @settings(max_examples=_EXAMPLES.get(fault, 40), deadline=None)
    @given(st.integers(0, 2**32))
    def attack(seed):
        with tempfile.TemporaryDirectory() as folder:
            outside.survives(outside.ATTACKS[fault], pathlib.Path(folder), seed)

    attack()
