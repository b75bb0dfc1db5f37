"""Sheets of views are large enough to look at, and show what is transparent."""

import torch

from maquette.images.picture import Picture
from maquette.stages.view_sheet import checkerboard, view_sheet
from views import around


def test_view_sheet_enlarges_small_pictures_and_shows_a_board_behind_transparent_ones():
    opaque = Picture.opaque(torch.full((2, 16, 16, 3), 0.25))
    clear = Picture(opaque.color, torch.zeros(2, 16, 16, 1))
    sheet = view_sheet([("sampled", opaque), ("views", clear)], around(0.0, 90.0))
    assert sheet.shape[0] > 320 and sheet.shape[1] > 320
    board = set(checkerboard(16, 16).flatten().mul(255).round().int().tolist())
    levels = set((torch.from_numpy(sheet) * 255).round().int().flatten().tolist())
    assert board <= levels and 64 in levels


def test_rows_without_cameras_have_no_labels():
    pictures = Picture.opaque(torch.rand(3, 8, 8, 3))
    labelled, bare = view_sheet([("", pictures)], around(0.0, 90.0, 180.0)), view_sheet([("", pictures)], None)
    assert labelled.shape[0] > bare.shape[0]
