"""The contract of a renderer, and the types of its inputs and outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from maquette.cameras.base import Cameras
from maquette.config.capabilities import (
    RENDERED_COLOR,
    RENDERED_DEPTH,
    RENDERED_OPACITY,
    Capabilities,
    form,
)
from maquette.geometry.base import SurfaceMesh
from maquette.kernels.splatting import Projected
from maquette.materials.base import Shading
from maquette.randomness import Draws, Moment


@dataclass(frozen=True)
class RaySampleValues:
    """Values of each sample along the rays, for losses; packed ray by ray.

    Args:
        weights: compositing weights [n].
        t: distance along the ray [n].
        ray_index: ray of each sample [n].
        rays: number of rays.
        normals: [n, 3], None when not computed.
        directions: unit ray directions [n, 3].
        gradients: of the signed distance [n, 3], None when not computed.
        points: positions of the samples [n, 3], world frame.
        deltas: lengths of the samples along the ray [n].
    """

    weights: Float[Tensor, " n"]
    t: Float[Tensor, " n"]
    ray_index: Int[Tensor, " n"]
    rays: int
    normals: Float[Tensor, "n 3"] | None
    directions: Float[Tensor, "n 3"]
    gradients: Float[Tensor, "n 3"] | None = None
    points: Float[Tensor, "n 3"] | None = None
    deltas: Float[Tensor, " n"] | None = None


@dataclass(frozen=True)
class Rendering:
    """Pictures of a scene from B cameras.

    Args:
        rgb: colour over the background, in [0, 1].
        opacity: coverage in [0, 1].
        depth: opacity-weighted mean distance along the ray, scene units; 0 where nothing is hit.
        normal: world normal, length at most 1; None when not computed.
        samples: per-sample values of a volume; None for renderers without samples.
        shading: the lighting.
        background: colour behind the object.
        mesh: the rasterised triangles; None for renderers of other geometry.
        projections: of the Gaussians to the picture, one per camera; None for renderers of other geometry.
        latents: of a latent diffusion model, over the background; None for materials without latents.
    """

    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"] | None
    samples: RaySampleValues | None
    shading: Shading
    background: Float[Tensor, "B H W 3"]
    mesh: SurfaceMesh | None = None
    projections: tuple[Projected, ...] | None = None
    latents: Float[Tensor, "B h w C"] | None = None

    def depth_over(self, behind: float) -> Float[Tensor, "B H W 1"]:
        """Expected distance along the ray with a background at distance `behind`, scene units."""
        return self.depth * self.opacity + behind * (1 - self.opacity)


@dataclass(frozen=True)
class View:
    """The cameras and settings of a rendering.

    Args:
        cameras: B cameras with pictures of one size.
        shading: the lighting.
        normals: whether to render normals.
        draws: random streams of a training step; None outside training.
    """

    cameras: Cameras
    shading: Shading = field(default_factory=Shading)
    normals: bool = True
    draws: Draws | None = None


class Renderer(nn.Module, ABC):
    """Renders scenes; its buffers are acceleration structures."""

    @classmethod
    @abstractmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """The `form` of geometry that it renders, and the entries of a `Rendering` that it fills."""

    @abstractmethod
    def render(self, geometry: Any, material: Any, background: Any, view: View) -> Rendering:
        """Pictures of the scene from the view's cameras."""

    def update(self, geometry: Any, moment: Moment) -> None:
        """Update acceleration structures; called before each training step."""


def renderer_capabilities(geometry: str, *entries: str) -> Capabilities:
    """Capabilities of a renderer.

    Args:
        geometry: the form of geometry that it renders: "field", "surface" or "splats".
        entries: entries of a `Rendering` that it fills besides color, opacity and depth.
    """
    gives = frozenset({RENDERED_COLOR, RENDERED_OPACITY, RENDERED_DEPTH, *entries})
    return Capabilities(needs=frozenset({form(geometry)}), gives=gives)
