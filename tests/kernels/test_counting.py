"""Whole numbers of blocks."""

import math

import pytest

from maquette.kernels.counting import blocks


@pytest.mark.parametrize(("count", "size"), [(0, 4), (1, 4), (4, 4), (5, 4), (2**40 + 1, 2**20)])
def test_blocks_hold_all_items_and_none_is_empty(count, size):
    assert blocks(count, size) == math.ceil(count / size)
    assert (blocks(count, size) - 1) * size < max(count, 1) <= max(blocks(count, size) * size, 1)
