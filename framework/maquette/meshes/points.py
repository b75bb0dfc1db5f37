"""Reading of point clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError


def read_points(path: str | Path) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"] | None]:
    """Read positions, and colours in [0, 1] or None, of a point cloud or of a mesh's vertices.

    Raises:
        ConfigError: there is no such file, or it holds no points.
    """
    import trimesh

    try:
        geometry: Any = trimesh.load(path)
        geometry = geometry.to_geometry() if isinstance(geometry, trimesh.Scene) else geometry
        positions = np.asarray(geometry.vertices)
    except (OSError, ValueError, AttributeError, IndexError) as problem:
        raise ConfigError(f"cannot read points: {problem}", file=str(path)) from problem
    if not len(positions):
        raise ConfigError("there are no points in it", file=str(path))
    colors = getattr(geometry, "colors", None)
    if colors is None and getattr(geometry, "visual", None) is not None and geometry.visual.kind == "vertex":
        colors = geometry.visual.vertex_colors
    shades = torch.from_numpy(np.array(colors)[:, :3]).float() / 255 if colors is not None and len(colors) else None
    return torch.from_numpy(positions.copy()).float(), shades
