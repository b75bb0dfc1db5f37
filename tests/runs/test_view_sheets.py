"""Contact sheets of many runs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from maquette.runs.view_sheets import write_sheet

RED, BLUE = (np.full((128, 128, 3), color, np.float32) for color in ((1, 0, 0), (0, 0, 1)))


def test_a_run_without_pictures_is_a_blank_row(tmp_path):
    write_sheet([("a mug", [RED, BLUE]), ("failed", [])], tmp_path / "sheet.png")
    pixels = np.asarray(Image.open(tmp_path / "sheet.png"))
    count = {
        name: int((pixels == color).all(-1).sum()) for name, color in (("red", (255, 0, 0)), ("blue", (0, 0, 255)))
    }
    assert count == {"red": 128 * 128, "blue": 128 * 128} and pixels.shape[0] > 2 * 128


def test_many_runs_stand_two_in_a_row(tmp_path):
    few, many = tmp_path / "few.png", tmp_path / "many.png"
    write_sheet([("run", [RED])] * 12, few)
    write_sheet([("run", [RED])] * 13, many)
    assert Image.open(many).height < 0.7 * Image.open(few).height and Image.open(many).width > Image.open(few).width


def test_without_any_picture_there_is_no_sheet(tmp_path):
    with pytest.raises(ValueError, match="pictures of one shape"):
        write_sheet([("failed", [])], tmp_path / "sheet.png")
    assert not list(tmp_path.iterdir())
