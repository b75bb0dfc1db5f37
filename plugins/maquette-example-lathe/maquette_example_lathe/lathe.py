"""A solid of revolution from the silhouettes of the object's pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Count, Fraction
from maquette.data.formats import PosedImages
from maquette.errors import ConfigError
from maquette.generators.base import Generated, Generator
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.registry import register


@register("generator", "lathe")
class Lathe(Generator):
    """A solid of revolution: the median silhouette of all pictures, turned about the vertical axis.

    Each row of pixels is one ring: its radius is half the silhouette's width there, in the plane through the origin
    that faces the camera, and its colour the silhouette's mean colour. Fits vases, mugs without handles, bottles.
    """

    @dataclass(frozen=True)
    class Config:
        segments: Count = 48  # sides of the solid
        coverage: Fraction = 0.5  # alpha at which a pixel belongs to the silhouette

        def __post_init__(self) -> None:
            if self.segments < 3:
                raise ValueError(f"segments: a solid has three sides at least, and not {self.segments}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def generate(self, request: Request, views: PosedImages | None, draws: Draws) -> Generated:
        if views is None:
            raise ConfigError(
                "the lathe needs pictures of the object", key="start", hint="put a stage before that samples views"
            )
        radii, heights, colors = profile(views, self.config.coverage)
        if len(radii) < 2:
            raise EmptySurface("the silhouettes are empty: nothing to turn")
        return revolve(radii, heights, colors, self.config.segments)


def profile(
    views: PosedImages, coverage: float
) -> tuple[Float[Tensor, " R"], Float[Tensor, " R"], Float[Tensor, "R 3"]]:
    """Radius, height and colour of each row of pixels that the median silhouette covers, top first; scene units."""
    cameras, alpha = views.cameras, views.picture.alpha
    pixel = 2 * cameras.distance * torch.tan(torch.deg2rad(cameras.fov_y_deg) / 2) / cameras.height
    widths = (alpha[..., 0] > coverage).float().sum(-1) * pixel[:, None]
    radii = widths.median(dim=0).values / 2
    rows = torch.arange(cameras.height, device=radii.device)
    heights = (cameras.height / 2 - rows - 0.5) * pixel.median()
    weights = alpha.sum((0, 2)).clamp(min=1e-6)
    colors = (views.picture.color * alpha).sum((0, 2)) / weights
    covered = radii > 0
    return radii[covered].cpu(), heights[covered].cpu(), colors[covered].clamp(0, 1).cpu()


def revolve(
    radii: Float[Tensor, " R"], heights: Float[Tensor, " R"], colors: Float[Tensor, "R 3"], segments: int
) -> Mesh:
    """A closed mesh of rings about the z axis, the highest first, with a point in the middle of each end.

    Example:
        >>> tube = revolve(torch.tensor([1.0, 1.0]), torch.tensor([1.0, -1.0]), torch.zeros(2, 3), 4)
        >>> tube.vertices.shape, tube.faces.shape
        ((10, 3), (16, 3))
    """
    angles = torch.arange(segments) * 2 * math.pi / segments
    around = torch.stack([angles.cos(), angles.sin()], dim=-1)
    rings = torch.cat([radii[:, None, None] * around, heights[:, None, None].expand(-1, segments, 1)], dim=-1)
    ends = torch.tensor([[0.0, 0.0, float(heights[0])], [0.0, 0.0, float(heights[-1])]])
    vertices = torch.cat([rings.reshape(-1, 3), ends])
    count, last = len(radii), len(radii) * segments
    faces = []
    for side in range(segments):
        following = (side + 1) % segments
        faces.append([last, side, following])
        faces.append([last + 1, (count - 1) * segments + following, (count - 1) * segments + side])
        for ring in range(count - 1):
            a, b = ring * segments + side, ring * segments + following
            faces += [[a, a + segments, b], [b, a + segments, b + segments]]
    ring_colors = colors.repeat_interleave(segments, dim=0)
    return Mesh(vertices.numpy(), np.array(faces), torch.cat([ring_colors, colors[:1], colors[-1:]]).numpy())
