"""Reading of point clouds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.loaded import Loaded
from maquette.meshes.formats.content import Points
from maquette.meshes.painting import colors_at_vertices
from maquette.meshes.placement import Placement
from maquette.meshes.reading import POINT_READERS, READERS, open_source, read_content

FORMATS = (*READERS, *POINT_READERS)
FAR = 20.0  # spreads from the median beyond which a point is far from the others; a spread is the median distance


def read_points(path: str | Path, key: str = "") -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"] | None]:
    """Read positions, and colours in [0, 1] or None, and log what was left out; as `inspect_points`."""
    points = inspect_points(path, key).unwrap(path)
    colors = None if points.colors is None else torch.from_numpy(points.colors).float()
    return torch.from_numpy(points.positions).float(), colors


def inspect_points(path: str | Path, key: str = "") -> Loaded[Points]:
    """Read a point cloud, or a mesh's vertices with the colours that the mesh has there, with an account of it.

    Args:
        path: an .xyz or .pts file, or one that `maquette.meshes.reading` reads; glTF is turned to z up.
        key: config key of the path, for error messages.

    Returns:
        Positions that are finite, in the file's size, and colours. Facts: `points`, their number; `bounds`;
        `mean_color` in sRGB, or null where the file gives no colours.

    Raises:
        ConfigError: there is no such file, it is broken, or it holds no points.
    """
    path = Path(path).expanduser()
    source = open_source(path, key, FORMATS, "file of points")
    content = read_content(source)
    clouds = [*content.points, *(Points(part.vertices, colors_at_vertices(part)) for part in content.parts)]
    if not sum(len(cloud.positions) for cloud in clouds):
        raise source.error("there are no points in it")
    if content.parts:
        source.leaves("faces, as its vertices alone are points")
    positions = np.concatenate([cloud.positions for cloud in clouds])
    colors = None
    if any(cloud.colors is not None for cloud in clouds):
        plain = [np.ones((len(cloud.positions), 3)) for cloud in clouds]
        pairs = zip(clouds, plain, strict=True)
        colors = np.concatenate([white if cloud.colors is None else cloud.colors for cloud, white in pairs])
    finite = np.isfinite(positions).all(1) & (np.abs(positions) < np.finfo(np.float32).max).all(1)
    if not finite.any():
        raise source.error("none of its points is finite")
    if not finite.all():
        source.warns(f"{int((~finite).sum())} of its {len(finite)} points are not finite and are left out")
        positions, colors = positions[finite], None if colors is None else colors[finite]
    if far := count_far(positions):
        source.warns(f"{far} of its {len(positions)} points lie far from the others")
    extension = path.suffix.lower().lstrip(".")
    positions = positions @ Placement(fit="none").axes(extension).T
    facts: dict[str, Any] = {
        "points": len(positions),
        "bounds": [positions.min(0).round(6).tolist(), positions.max(0).round(6).tolist()],
        "mean_color": None if colors is None else colors.mean(0).round(4).tolist(),
    }
    return Loaded(
        Points(positions, colors), "points", content.format, tuple(source.used), tuple(source.ignored),
        tuple(source.warnings), facts,
    )  # fmt: skip


def count_far(positions: np.ndarray) -> int:
    """Number of points [n, 3] that lie far from the others."""
    distance = np.linalg.norm(positions - np.median(positions, axis=0), axis=1)
    spread = float(np.median(distance))
    return int((distance > FAR * spread).sum()) if spread > 0 else 0
