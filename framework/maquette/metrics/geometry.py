"""Distances between a surface and the true one, by the protocol of docs/metrics.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from maquette.export.base import Subject
from maquette.meshes.clean import clean
from maquette.meshes.mesh import Mesh
from maquette.meshes.sampling import SurfaceSamples
from maquette.randomness import Draws

PROTOCOL = "surface-1"  # name and version of what docs/metrics.md says; a change of a figure's meaning changes it
SAMPLES = 100_000  # points on each surface
THRESHOLDS = {"1": 0.01, "2": 0.02}  # of the F-scores, as fractions of the diagonal of the true bounding box


@dataclass(frozen=True)
class SurfaceComparison:
    """How far a surface lies from the true one.

    Args:
        to_truth: mean distance from the surface's points to the nearest of the true ones (accuracy), scene units.
        from_truth: mean distance from the true points to the nearest of the surface's (completeness), scene units.
        diagonal: of the true bounding box, scene units.
        precision: name of a threshold -> fraction of the surface's points within it of a true point.
        recall: name of a threshold -> fraction of the true points within it of a point of the surface.
        normal_consistency: mean cosine between normals at nearest points, both ways, in [-1, 1]; None if a surface has
            no normals.
    """

    to_truth: float
    from_truth: float
    diagonal: float
    precision: Mapping[str, float]
    recall: Mapping[str, float]
    normal_consistency: float | None

    @property
    def chamfer(self) -> float:
        """Mean of the two mean distances, scene units."""
        return (self.to_truth + self.from_truth) / 2

    @property
    def f_scores(self) -> dict[str, float]:
        """Name of a threshold -> harmonic mean of precision and recall, in [0, 1]."""
        pairs = {name: (self.precision[name], self.recall[name]) for name in self.precision}
        return {name: 2 * p * r / (p + r) if p + r else 0.0 for name, (p, r) in pairs.items()}

    def values(self) -> dict[str, float]:
        """Figures by name: chamfer, chamfer_relative (over the diagonal), f_score_1 ..., normal_consistency."""
        values = {"chamfer": self.chamfer, "chamfer_relative": self.chamfer / self.diagonal}
        values |= {f"f_score_{name}": score for name, score in self.f_scores.items()}
        if self.normal_consistency is not None:
            values["normal_consistency"] = self.normal_consistency
        return values


def compare_surfaces(ours: SurfaceSamples, truth: SurfaceSamples) -> SurfaceComparison:
    """Compare two sampled surfaces where they are: nothing is aligned or scaled.

    Source: Tatarchenko et al. 2019, "What do single-view 3D reconstruction networks learn?" (arXiv 1905.03678), sec. 4,
    for the F-score; Mescheder et al. 2019 (Occupancy Networks, arXiv 1812.03828), supplementary, for Chamfer distance
    and normal consistency, of which we keep the sign, so that faces that look inward count as wrong.

    Example:
        >>> import torch
        >>> corners = torch.tensor([[0.0, 0, 0], [3, 0, 0], [0, 4, 0]])
        >>> shifted = corners + torch.tensor([0.0, 0, 0.075])
        >>> values = compare_surfaces(SurfaceSamples.of_points(shifted), SurfaceSamples.of_points(corners)).values()
        >>> {name: round(value, 3) for name, value in values.items()}
        {'chamfer': 0.075, 'chamfer_relative': 0.015, 'f_score_1': 0.0, 'f_score_2': 1.0}
    """
    there, nearest_true = _nearest(ours.points, truth.points)
    back, nearest_ours = _nearest(truth.points, ours.points)
    consistency = None
    if ours.normals is not None and truth.normals is not None:
        cosines = (
            (ours.normals * truth.normals[nearest_true]).sum(-1).mean(),
            (truth.normals * ours.normals[nearest_ours]).sum(-1).mean(),
        )
        consistency = float(cosines[0] + cosines[1]) / 2
    limits = {name: fraction * truth.diagonal for name, fraction in THRESHOLDS.items()}
    return SurfaceComparison(
        float(there.mean()),
        float(back.mean()),
        truth.diagonal,
        {name: float((there <= limit).mean()) for name, limit in limits.items()},
        {name: float((back <= limit).mean()) for name, limit in limits.items()},
        consistency,
    )


def compare_meshes(ours: Mesh, truth: Mesh, samples: int = SAMPLES, seed: int = 0) -> SurfaceComparison:
    """Compare two meshes by points sampled on both, with other random numbers on each.

    Raises:
        EmptySurface: one of them has no area.
    """
    return compare_surfaces(our_samples(ours, samples, seed), true_samples(truth, samples, seed))


def our_samples(mesh: Mesh, samples: int = SAMPLES, seed: int = 0) -> SurfaceSamples:
    """Points of a mesh to be measured."""
    return SurfaceSamples.of_mesh(mesh, samples, Draws(seed, 0, f"{PROTOCOL}/ours/"))


def true_samples(mesh: Mesh, samples: int = SAMPLES, seed: int = 0) -> SurfaceSamples:
    """Points of a true mesh; other ones than `our_samples` gives for the same mesh."""
    return SurfaceSamples.of_mesh(mesh, samples, Draws(seed, 0, f"{PROTOCOL}/truth/"))


def measured_surface(subject: Subject, resolution: int) -> Mesh:
    """The surface of a subject that is measured: what the mesh exporter writes, before decimation and texture.

    Args:
        resolution: samples of a volume's density along each side of the cube; an explicit mesh ignores it.

    Raises:
        EmptySurface: there is none.
    """
    mesh = subject.surface(resolution, "auto")
    return clean(mesh) if subject.extracted else mesh


def _nearest(points: Float[Tensor, "n 3"], others: Float[Tensor, "m 3"]) -> tuple[np.ndarray, np.ndarray]:
    """Distance [n] from each point to the nearest other one, and the index of that [n]."""
    from scipy.spatial import cKDTree

    distance, index = cKDTree(others.numpy()).query(points.numpy())
    return distance, index
