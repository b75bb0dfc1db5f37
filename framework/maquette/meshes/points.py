"""Point clouds from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError


def read_points(path: str | Path) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"] | None]:
    """Positions, and colours in [0, 1] if there are any: of points, or of a mesh's vertices.

    Raises:
        ConfigError: there is no such file, or it holds no points.
    """
    import trimesh

    try:
        found: Any = trimesh.load(path)
        found = found.to_geometry() if isinstance(found, trimesh.Scene) else found
        positions = np.asarray(found.vertices)
    except (OSError, ValueError, AttributeError, IndexError) as problem:
        raise ConfigError(f"cannot read points: {problem}", file=str(path)) from problem
    if not len(positions):
        raise ConfigError("there are no points in it", file=str(path))
    colors = getattr(found, "colors", None)
    if colors is None and getattr(found, "visual", None) is not None and found.visual.kind == "vertex":
        colors = found.visual.vertex_colors
    shades = torch.from_numpy(np.array(colors)[:, :3]).float() / 255 if colors is not None and len(colors) else None
    return torch.from_numpy(positions.copy()).float(), shades
