"""Sheets of samples: their layout."""

import pytest

from imggen.training import hooks


@pytest.mark.parametrize(
    ('num_classes', 'each', 'columns'),
    [(3, 2, 2), (10, 6, 6), (32, 2, 8), (100, 1, 10), (2, 32, 32)],
)
def test_a_row_holds_whole_classes(num_classes, each, columns):
    assert hooks.class_columns(num_classes * each, each) == columns
