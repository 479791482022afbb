"""Sheets of samples: their layout."""

import pytest

from imggen.training import hooks


@pytest.mark.parametrize(
    ('num_classes', 'each', 'columns'),
    [(3, 2, 2), (10, 6, 6), (32, 2, 8), (100, 1, 10), (2, 32, 8), (2, 31, 31), (1, 64, 8)],
)
def test_a_row_holds_whole_classes_or_a_class_whole_rows(num_classes, each, columns):
    assert hooks.class_columns(num_classes * each, each) == columns
