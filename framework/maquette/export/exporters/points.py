"""Export of the subject's surface as coloured points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maquette.annotations import Count, Fraction, Positive, Samples, Seed
from maquette.export.base import Exporter, Subject
from maquette.export.meshed import repaired_surface
from maquette.export.writers import write_points
from maquette.meshes.mesh import EmptySurface
from maquette.meshes.texture import query_colors
from maquette.registry import register


@register("exporter", "points")
class PointsExporter(Exporter):
    """Points `points.ply`, distributed uniformly over the surface, with colours and normals."""

    @dataclass(frozen=True)
    class Config:
        count: Count = 50_000  # number of points
        resolution: Samples = 128  # samples of the density along each side of the bounding cube
        threshold: Positive | Literal["silhouette", "auto"] = (
            "silhouette"  # density of a volume's surface; silhouette: it covers what pictures cover; auto: half typical
        )
        min_component: Fraction = 0.05  # drop components with less than this fraction of the largest one's area
        seed: Seed = 0  # of the random points

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Extract the surface, sample it by area and write; see `Exporter`."""
        import trimesh

        config = self.config
        mesh = subject.surface(config.resolution, config.threshold)
        mesh = repaired_surface(mesh, config.min_component, 0.0) if subject.extracted else mesh
        if mesh.is_empty:
            raise EmptySurface("the surface has no area; no points are written")
        body = mesh.to_trimesh()
        points, face = trimesh.sample.sample_surface(body, config.count, seed=config.seed)
        weights = trimesh.triangles.points_to_barycentric(body.triangles[face], points)
        normals = np.einsum("nk,nkd->nd", weights, mesh.vertex_normals()[mesh.faces[face]])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        points, normals = np.asarray(points, np.float32), np.asarray(normals, np.float32)
        colors = query_colors(subject.color, points, normals)
        return [write_points(folder / "points.ply", points, colors, normals)]
