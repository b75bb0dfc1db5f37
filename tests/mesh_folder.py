"""Folders of small meshes for the data set of their views."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from maquette.export.writers import write_glb, write_obj
from maquette.meshes.mesh import Mesh

COLORS = {"red": (0.9, 0.1, 0.1), "green": (0.1, 0.8, 0.1), "blue": (0.1, 0.1, 0.9), "yellow": (0.9, 0.9, 0.1)}


def box(color: tuple[float, float, float], sides: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> Mesh:
    """A box of one colour."""
    import trimesh

    body = trimesh.creation.box(extents=sides)
    return Mesh(body.vertices, body.faces, np.tile(color, (len(body.vertices), 1)))


def write_meshes(folder: Path) -> Path:
    """Boxes of four colours, one of them in a subfolder and as .obj."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, color) in enumerate(COLORS.items()):
        sides = (1.0, 0.5 + 0.1 * number, 0.4)
        if name == "green":
            write_obj(folder / "more" / f"{name}.obj", box(color, sides))
        else:
            write_glb(folder / f"{name}.glb", box(color, sides))
    return folder
