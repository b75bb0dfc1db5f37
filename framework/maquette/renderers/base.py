"""What a renderer makes, and the contract of one."""

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
    """What losses may need of each sample along the rays, packed ray by ray.

    Args:
        weights: compositing weights [n].
        t: distance along the ray [n].
        ray_index: ray of each sample [n]; `rays` is their number.
        normals: [n, 3], None when not computed.
        directions: unit ray directions [n, 3].
        gradients: of a signed distance [n, 3], None when not computed.
        points: where the samples are [n, 3], world frame.
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
    """Pictures of a scene.

    Args:
        rgb: colour over the background, in [0, 1].
        opacity: coverage in [0, 1].
        depth: distance along the ray, averaged over what is hit; 0 where nothing is.
        normal: world normal, length at most 1; None when not computed.
        samples: per-sample values of a volume; None for renderers without samples.
        shading: how it was lit.
        background: what was seen behind.
        mesh: the triangles that were drawn; None for renderers of something else.
        footprints: of the Gaussians, one per camera; None for renderers of something else.
        latents: what a latent diffusion model denoises, over the background; None where only colour is drawn.
    """

    rgb: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"] | None
    samples: RaySampleValues | None
    shading: Shading
    background: Float[Tensor, "B H W 3"]
    mesh: SurfaceMesh | None = None
    footprints: tuple[Projected, ...] | None = None
    latents: Float[Tensor, "B H W C"] | None = None

    def depth_before(self, behind: float) -> Float[Tensor, "B H W 1"]:
        """Expected distance along the ray when what is not covered lies at distance `behind`, scene units."""
        return self.depth * self.opacity + behind * (1 - self.opacity)


@dataclass(frozen=True)
class View:
    """What a renderer is asked for.

    Args:
        cameras: B of them, all with pictures of one size.
        shading: how the scene is lit.
        normals: whether the rendering shall have normals.
        draws: random numbers of a training step; None outside training.
    """

    cameras: Cameras
    shading: Shading = field(default_factory=Shading)
    normals: bool = True
    draws: Draws | None = None


class Renderer(nn.Module, ABC):
    """Draws a scene."""

    @classmethod
    @abstractmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Which `form` of geometry it needs, and the entries of a `Rendering` that it fills; see `draws_from`."""

    @abstractmethod
    def render(self, geometry: Any, material: Any, background: Any, view: View) -> Rendering:
        """The pictures that a view asks for."""

    def update(self, geometry: Any, moment: Moment) -> None:
        """Keep acceleration structures up to date; called before each training step."""


def draws_from(geometry: str, *entries: str) -> Capabilities:
    """Of a renderer.

    Args:
        geometry: the form that it takes: "field", "surface" or "splats".
        entries: what it fills of a `Rendering` beyond color, opacity and depth.
    """
    gives = frozenset({RENDERED_COLOR, RENDERED_OPACITY, RENDERED_DEPTH, *entries})
    return Capabilities(needs=frozenset({form(geometry)}), gives=gives)
