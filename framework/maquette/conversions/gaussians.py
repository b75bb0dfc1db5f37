"""Conversion of fields and surfaces to a cloud of Gaussians."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.conversions._appearance import AppearanceTransfer
from maquette.conversions._surfaces import clean_surface
from maquette.conversions.base import converter
from maquette.geometry.base import GaussianCloud
from maquette.geometry.gaussians import Gaussians, neighbour_distance
from maquette.kernels.splatting import HARMONIC_0
from maquette.meshes.sampling import sample_surface
from maquette.meshes.texture import query_colors
from maquette.randomness import Draws
from maquette.scene import Scene

FLATNESS = 5.0  # initial ratio of a Gaussian's width to its thickness
INITIAL_OPACITY = 0.9  # of every Gaussian


@converter("field", Gaussians)
@converter("surface", Gaussians)
def surface_to_gaussians(source: Scene, target: Scene, draws: Draws) -> None:
    """Opaque Gaussians distributed uniformly over the surface, flat along it, as wide as their distance to neighbours.

    They lie one standard deviation inside, so that their visible boundary is about at the surface.
    """
    geometry: Gaussians = target.geometry
    transfer = AppearanceTransfer(source, target)
    points, normals = sample_surface(clean_surface(source), geometry.config.count, draws)
    appearance = torch.from_numpy(query_colors(transfer.query_source, points.numpy(), normals.numpy()))
    width = neighbour_distance(points)
    cloud = GaussianCloud(
        means=points - normals * width[:, None] / FLATNESS,
        quaternions=_rotations_to(normals),
        scales=torch.stack([width, width, width / FLATNESS], dim=-1),
        opacities=torch.full((len(points),), INITIAL_OPACITY),
        harmonics=transfer.solve_features(appearance)[:, None] / HARMONIC_0,
    )
    geometry.replace(cloud.to(geometry.means.device))


def _rotations_to(normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    """Quaternions that rotate the z axis to each normal: half a turn about the bisector of the two."""
    between = normals + torch.tensor([0.0, 0.0, 1.0])
    opposite = between.norm(dim=-1, keepdim=True) < 1e-6
    axis = torch.where(opposite, torch.tensor([1.0, 0.0, 0.0]), between)
    return torch.cat([torch.zeros(len(normals), 1), torch.nn.functional.normalize(axis, dim=-1)], dim=-1)
