"""What has a surface becomes a cloud of Gaussians."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.conversions._looks import Look
from maquette.conversions._solids import solid, spread
from maquette.conversions.base import converter
from maquette.geometry.base import GaussianCloud
from maquette.geometry.gaussians import Gaussians, neighbour_distance
from maquette.kernels.splatting import HARMONIC_0
from maquette.meshes.texture import query_colors
from maquette.randomness import Draws
from maquette.scene import Scene

FLATNESS = 5.0  # how much thinner than wide a Gaussian on a surface begins
OPACITY = 0.9


@converter("field", Gaussians)
@converter("surface", Gaussians)
def surface_to_gaussians(source: Scene, target: Scene, draws: Draws) -> None:
    """Opaque Gaussians spread evenly over the surface, flat along it, as wide as they are apart.

    They stand one standard deviation inside, so that what is drawn ends about where the surface is.
    """
    geometry: Gaussians = target.geometry
    look = Look(source, target)
    points, normals = spread(solid(source), geometry.config.count, draws)
    wanted = torch.from_numpy(query_colors(look.wanted, points.numpy(), normals.numpy()))
    width = neighbour_distance(points)
    cloud = GaussianCloud(
        means=points - normals * width[:, None] / FLATNESS,
        quaternions=_turned_to(normals),
        scales=torch.stack([width, width, width / FLATNESS], dim=-1),
        opacities=torch.full((len(points),), OPACITY),
        harmonics=look.features(wanted)[:, None] / HARMONIC_0,
    )
    geometry.replace(cloud.to(geometry.means.device))


def _turned_to(normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    """Quaternions of rotations that take the z axis to each normal: half a turn about the direction between them."""
    between = normals + torch.tensor([0.0, 0.0, 1.0])
    opposite = between.norm(dim=-1, keepdim=True) < 1e-6
    axis = torch.where(opposite, torch.tensor([1.0, 0.0, 0.0]), between)
    return torch.cat([torch.zeros(len(normals), 1), torch.nn.functional.normalize(axis, dim=-1)], dim=-1)
