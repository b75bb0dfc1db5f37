"""Sheets of views: rows of pictures from the same cameras, transparent parts over a checkerboard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.images.picture import Picture
from maquette.images.sheets import contact_sheet

SIDE = 160  # pixels to which small pictures are enlarged, at least
SQUARE, LIGHT, DARK = 8, 0.85, 0.65  # pixels of a square of the checkerboard, and its two greys


def view_sheet(rows: Sequence[tuple[str, Picture]], cameras: Cameras | None, title: str = "") -> np.ndarray:
    """A contact sheet of views.

    Args:
        rows: label and pictures of each row, all of one size.
        cameras: those of the longest row; their azimuths and elevations label the columns; None: no labels.
        title: text above the sheet.

    Returns:
        The sheet [H, W, 3] in [0, 1]; small pictures are enlarged a whole number of times.
    """
    height, width = rows[0][1].size
    times = max(1, -(-SIDE // min(height, width)))
    board = checkerboard(height, width)
    pictures = [
        [one.repeat(times, axis=0).repeat(times, axis=1) for one in picture.over(board).numpy()] for _, picture in rows
    ]
    columns = [] if cameras is None else _angles(cameras)
    return contact_sheet(pictures, [label for label, _ in rows], columns, title)


def checkerboard(height: int, width: int) -> Float[Tensor, "H W 1"]:
    """Squares of two greys, light at the upper left.

    Example:
        >>> checkerboard(9, 9)[0, 7:, 0]
        tensor([0.8500, 0.6500])
    """
    rows, columns = torch.arange(height) // SQUARE, torch.arange(width) // SQUARE
    return torch.where((rows[:, None] + columns) % 2 == 0, LIGHT, DARK)[..., None]


def _angles(cameras: Cameras) -> list[str]:
    angles = zip(cameras.azimuth_deg.tolist(), cameras.elevation_deg.tolist(), strict=True)
    return [f"{azimuth % 360:.0f}°, {elevation:.0f}°" for azimuth, elevation in angles]
