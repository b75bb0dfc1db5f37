"""What a generator makes of one landscape: pictures from cameras, and the ground seen from above as a texture."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.landscapes.flight import obstacle_height
from maquette.landscapes.generator import Generator
from maquette.landscapes.views import LandscapeView, look, look_along
from maquette.landscapes.world import Landscape

AT_ONCE = 2048  # rays whose samples are computed together: with 8 samples of 64 numbers they stay in a core's cache
_HIGHEST_SKY = math.radians(40)  # elevation up to which the sky is averaged over
_TILE = 256  # rows and columns of a texture that are rendered together


@dataclass(frozen=True)
class Shot:
    """One picture of a landscape.

    Attributes:
        rgb: in [0, 1].
        depth: along each pixel's ray, in cells, by the generator's density; infinite for the sky.
        labels: index into LABELS of what the ray meets first.
    """

    rgb: Float[Tensor, "H W 3"]
    depth: Float[Tensor, "H W"]
    labels: Int[Tensor, "H W"]


@dataclass(frozen=True)
class LandscapeRenderer:
    """A generator over one landscape; nothing in it is random, so that the same camera sees the same.

    Args:
        generator: what renders.
        scene: the landscape.
        code: scene code.
        reach: depth in cells at which rays end.
    """

    generator: Generator
    scene: Landscape
    code: Float[Tensor, 2]
    reach: float = 1e6

    @classmethod
    def of(cls, generator: Generator, scene: Landscape, reach: float = 1e6) -> LandscapeRenderer:
        """The renderer of a landscape with its own scene code."""
        with torch.inference_mode():
            return cls(generator, scene, generator.scene_encoder(scene.encoder_input()[None])[0], reach)

    @torch.inference_mode()
    def shoot(self, camera: Cameras, style: Float[Tensor, "1 S"]) -> Shot:
        """The picture of the first camera of a batch, in a style.

        Rays beyond its border are rendered for the decoder, so that pictures have no rim.
        """
        edge = self.edge
        view = look(self.scene, widened(camera, edge), self.reach)
        rgb, depth = self._painted(view, style)
        inner = (slice(edge, edge + camera.height), slice(edge, edge + camera.width))
        return Shot(rgb, depth[inner], view.labels[inner])

    @torch.inference_mode()
    def from_above(self, size: int, style: Float[Tensor, "1 S"]) -> Float[Tensor, "size size 3"]:
        """The window seen straight from above, without perspective: row 0 has the largest y, column 0 the smallest x.

        Rendered in tiles that overlap by what the decoder sees of a pixel's surroundings, so that they have no seams.

        Args:
            size: pixels along a side.
            style: style.
        """
        edge, rgb = self.edge, torch.empty(size, size, 3)
        sky = self._sky(style)
        for top in range(0, size, _TILE):
            for left in range(0, size, _TILE):
                rows = torch.arange(top - edge, min(top + _TILE, size) + edge)
                columns = torch.arange(left - edge, min(left + _TILE, size) + edge)
                view = self._down(rows, columns, size)
                rgb[top : top + _TILE, left : left + _TILE] = self._painted(view, style, sky)[0]
        return rgb

    @property
    def edge(self) -> int:
        """Pixels to each side that are rendered and cut off: no fewer than the decoder sees."""
        return max(self.generator.architecture.padding, self.generator.decoder.padding)

    def _painted(
        self, view: LandscapeView, style: Float[Tensor, "1 S"], sky: Float[Tensor, " F"] | None = None
    ) -> tuple[Float[Tensor, "h w 3"], Float[Tensor, "H W"]]:
        """The picture of a view without its edge, and the depth with it."""
        rgb, depth = self.generator(self.scene, view, self.code, style, sky_features=sky, at_once=AT_ONCE)
        more = self.edge - self.generator.architecture.padding
        return rgb[:, more : rgb.shape[1] - more, more : rgb.shape[2] - more].permute(1, 2, 0), depth

    def _sky(self, style: Float[Tensor, "1 S"]) -> Float[Tensor, " F"]:
        """Mean of the sky all around, low over the horizon as most pictures have it."""
        azimuth, elevation = torch.meshgrid(
            torch.arange(32) * (2 * math.pi / 32), torch.arange(8) * (_HIGHEST_SKY / 8), indexing="ij"
        )
        level = elevation.cos()
        directions = torch.stack([level * azimuth.cos(), level * azimuth.sin(), elevation.sin()], dim=-1)
        return self.generator.sky(directions.reshape(-1, 3), self.generator.style_network(style)[0]).mean(dim=0)

    @cached_property
    def _above(self) -> float:
        """A height over everything that stands in the landscape, cells."""
        return max(2 * self.scene.highest, float(obstacle_height(self.scene).max()) + 1)

    def _down(self, rows: Int[Tensor, " H"], columns: Int[Tensor, " W"], size: int) -> LandscapeView:
        """Rays straight down through pixels of a texture; those beyond the window fall on its edge."""
        margin, (across, along) = self.scene.margin, self.scene.window_size
        x = margin + ((columns + 0.5) / size).clamp(0, 1) * (across - 1)
        y = margin + (1 - (rows + 0.5) / size).clamp(0, 1) * (along - 1)
        above = torch.full((len(rows), len(columns)), self._above)
        y, x = torch.meshgrid(y, x, indexing="ij")
        directions = torch.tensor([0.0, 0.0, -1.0]).expand(*x.shape, 3)
        return look_along(self.scene, torch.stack([x, y, above], dim=-1), directions)


def widened(camera: Cameras, edge: int) -> Cameras:
    """A camera with `edge` more pixels on each side of the same picture.

    Example:
        >>> from maquette.cameras.base import orbit_cameras
        >>> camera = orbit_cameras(torch.zeros(1), torch.zeros(1), torch.ones(1), 40 * torch.ones(1), 8)
        >>> torch.allclose(widened(camera, 3).rays()[1][:, 3:-3, 3:-3], camera.rays()[1], atol=1e-6)
        True
    """
    height, width = camera.height + 2 * edge, camera.width + 2 * edge
    tangent = torch.tan(torch.deg2rad(camera.fov_y_deg) / 2) * height / camera.height
    fov_y_deg = 2 * torch.atan(tangent) * 180 / math.pi
    return dataclasses.replace(camera, height=height, width=width, fov_y_deg=fov_y_deg)
