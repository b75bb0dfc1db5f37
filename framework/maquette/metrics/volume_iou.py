"""A metric of the volume that a scene's surface has in common with the true one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maquette.annotations import Samples
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.topology import is_watertight
from maquette.meshes.tree import TriangleTree
from maquette.meshes.winding import winding_numbers
from maquette.metrics.base import Case, Direction, MeasuredSubject, Measurement, Metric
from maquette.metrics.geometry import measured_surface
from maquette.registry import register

INSIDE = 0.5  # least winding number of a point inside, in size


@register("metric", "volume-iou")
class VolumeIou(Metric):
    """IoU of the volumes inside the scene's surface and the true one, by winding numbers, which open meshes have too.

    Points stand in the middle of the cells of a cubic grid around both. A scene without a surface has an IoU of 0. The
    facts say whether each mesh is watertight: where one is not, its inside is bounded by smooth sheets across holes.

    Source: volume IoU, Mescheder et al. 2019 (Occupancy Networks, arXiv 1812.03828), sec. 4; inside by Jacobson et al.
    2013, "Robust inside-outside segmentation using generalized winding numbers".
    """

    needs = ("surface",)

    @dataclass(frozen=True)
    class Config:
        samples: Samples = 64  # cells along each side of the cube around both
        resolution: Samples = 128  # samples along each side of the cube, to extract the surface of a field

    def __init__(self, config: Config) -> None:
        self.config = config

    def directions(self) -> dict[str, Direction]:
        return {"iou": "higher"}

    def __call__(self, subject: MeasuredSubject, case: Case) -> Measurement:
        """Extract and compare; see `Metric`."""
        truth = case.build_truth().surface()
        try:
            ours = measured_surface(subject, self.config.resolution)
        except EmptySurface as problem:
            return Measurement({"iou": 0.0}, {"problem": str(problem)})
        facts = {"watertight": is_watertight(ours), "truth_watertight": is_watertight(truth)}
        return Measurement({"iou": volume_iou(ours, truth, self.config.samples)}, facts)


def volume_iou(one: Mesh, other: Mesh, samples: int) -> float:
    """Fraction of the cells inside either mesh that are inside both; 0 if no cell is inside one.

    Args:
        one, other: with faces.
        samples: cells along each side of the cube around both.
    """
    corners = np.concatenate([one.bounds, other.bounds]).astype(np.float64)
    low, high = corners.min(0), corners.max(0)
    side = float((high - low).max())
    axis = (np.arange(samples) + 0.5) / samples * side - side / 2
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3) + (low + high) / 2
    first, second = (
        np.abs(winding_numbers(TriangleTree(mesh.vertices, mesh.faces), points)) > INSIDE for mesh in (one, other)
    )
    either = int((first | second).sum())
    return int((first & second).sum()) / either if either else 0.0
