"""Contact sheets of many runs: some views of each scene, one run beside or below the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from maquette.files import atomic_path
from maquette.images.pixels import to_bytes
from maquette.images.sheets import contact_sheet
from maquette.metrics.base import MeasuredSubject

ELEVATION_DEG, SIZE = 20.0, 128  # of the views, and their side in pixels
MANY = 12  # runs from which on two stand side by side


def sheet_views(scene: MeasuredSubject, views: int) -> list[np.ndarray]:
    """Pictures [H, W, 3] of a scene from that many sides, from its front on."""
    azimuth_deg = [360 * i / views for i in range(views)]
    return list(scene.render(azimuth_deg, ELEVATION_DEG, SIZE, normals=False).rgb.numpy())


def write_sheet(runs: Sequence[tuple[str, Sequence[np.ndarray]]], path: Path) -> None:
    """Write the sheet of runs, each with a label and its pictures, of which a failed run has none.

    Raises:
        ValueError: no run has a picture.
    """
    across = 2 if len(runs) > MANY else 1
    views = max(len(pictures) for _, pictures in runs)
    rows: list[list[np.ndarray | None]] = []
    labels = []
    for first in range(0, len(runs), across):
        row = runs[first : first + across]
        rows.append([picture for _, pictures in row for picture in [*pictures, *[None] * (views - len(pictures))]])
        labels.append(" | ".join(label for label, _ in row))
    with atomic_path(path) as place:
        Image.fromarray(to_bytes(contact_sheet(rows, labels))).save(place)
