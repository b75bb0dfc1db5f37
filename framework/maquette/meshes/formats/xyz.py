"""Reading of points as text: lines of x, y, z, and red, green, blue where they have them."""

from __future__ import annotations

import numpy as np

from maquette.meshes.formats.content import Content, Points, unit_colors
from maquette.meshes.formats.source import Source


def read_xyz(source: Source) -> Content:
    """Read an .xyz or .pts file; a first line with the number of points, and comments after #, are passed over."""
    lines = [
        line.split("#", 1)[0].replace(",", " ").replace(";", " ").split() for line in source.read_text().split("\n")
    ]
    rows = [(number, words) for number, words in enumerate(lines, 1) if words]
    if rows and len(rows[0][1]) == 1:
        rows = rows[1:]
    if not rows:
        return Content("xyz")
    width = min(len(words) for _, words in rows)
    if width < 3:
        raise source.broken("a point has fewer than three numbers", line=min(rows, key=lambda row: len(row[1]))[0])
    try:
        table = np.array([words[:width] for _, words in rows], np.float64)
    except ValueError as problem:
        raise source.broken(f"a point is not {width} numbers: {problem}") from problem
    if width in (4, 7):  # the intensity of laser scanners stands fourth
        source.leaves("intensities")
        table = np.delete(table, 3, axis=1)
    if table.shape[1] == 6 and (table[:, 3:] >= 0).all():
        source.uses("vertex colors")
        return Content("xyz", points=[Points(table[:, :3], unit_colors(table[:, 3:], source))])
    if table.shape[1] > 3:
        source.leaves("normals" if table.shape[1] == 6 else f"{table.shape[1] - 3} further numbers of each point")
    return Content("xyz", points=[Points(table[:, :3])])
