"""Contact sheets and grids show every picture where it belongs."""

import numpy as np
import pytest
import torch
from PIL import ImageFont

from maquette.images.sheets import _wrap, contact_sheet, picture_grid


def test_sheet_shows_every_picture_where_it_belongs():
    red, blue = np.full((40, 60, 3), [1.0, 0, 0]), np.full((40, 60, 3), [0, 0, 1.0])
    sheet = contact_sheet([[red, blue], [blue, None]])
    assert sheet.shape == (8 + 2 * 48, 8 + 2 * 68, 3)
    assert sheet[20, 20].tolist() == [1, 0, 0]
    assert sheet[20, 90].tolist() == [0, 0, 1]
    assert sheet[70, 20].tolist() == [0, 0, 1]
    assert sheet[70, 90].min() > 0.9


def test_labels_and_title_are_drawn_beside_the_pictures():
    picture = np.zeros((64, 64, 3))
    plain, labelled = contact_sheet([[picture]]), contact_sheet([[picture]], ["row"], ["column"], "Title")
    assert labelled.shape[0] > plain.shape[0]
    assert labelled.shape[1] > plain.shape[1]
    assert (labelled == 0).all(-1).sum() == 64 * 64


def test_long_labels_wrap_within_their_width():
    font = ImageFont.load_default(14)
    lines = _wrap("a label of many words and oneextremelylongwordwithoutanyspace at all, going on and on", font, 90)
    assert 1 < len(lines) <= 4
    assert max(font.getlength(line) for line in lines) <= 90
    assert lines[-1].endswith("…")


def test_wrong_number_of_labels_is_refused():
    with pytest.raises(ValueError, match="2 row labels for 1 rows"):
        contact_sheet([[np.zeros((8, 8, 3))]], ["a", "b"])


def test_a_grid_frames_each_picture_and_pads_the_last_row():
    grid = picture_grid(torch.ones(3, 2, 4, 3), columns=2)
    assert grid.shape == (2 * 4, 2 * 6, 3)
    assert grid[1:3, 1:5].min() == 1 and grid[5:7, 1:5].min() == 1 and grid[4:, 6:].max() == 0
    assert grid.sum() == 3 * 2 * 4 * 3
