"""Batches of perspective cameras, and the contract of camera samplers.

World: right-handed, z up; the object's front faces +x; azimuth 0 views the front and grows counter-clockwise viewed
from above. Camera axes are OpenGL's: x right, y up, z backward.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.kernels.precision import in_float32
from maquette.randomness import Moment

BATCH_FIELDS = ("height", "width", "window")  # fields with one value for all cameras of a batch


@dataclass(frozen=True)
class Window:
    """A crop window in a larger picture.

    Args:
        top, left: first row and column of the crop, pixels.
        height, width: size of the whole picture, pixels.
    """

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Cameras:
    """A batch of B perspective cameras.

    Args:
        c2w: camera-to-world [B, 4, 4].
        fov_y_deg: full vertical angle of view of the whole picture [B].
        azimuth_deg, elevation_deg, distance: orbit coordinates [B], the view conditioning of prompts and priors.
        height, width: pixels.
        light: positions of each camera's point light [B, 3].
        window: position of the pixels in a larger picture; None: they are the whole picture.
    """

    c2w: Float[Tensor, "B 4 4"]
    fov_y_deg: Float[Tensor, " B"]
    azimuth_deg: Float[Tensor, " B"]
    elevation_deg: Float[Tensor, " B"]
    distance: Float[Tensor, " B"]
    height: int
    width: int
    light: Float[Tensor, "B 3"]
    window: Window | None = None

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Cameras:
        """Some of the cameras."""
        return self._map_tensors(lambda tensor: tensor[index])

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return self._map_tensors(lambda tensor: tensor.to(device))

    def resized(self, height: int, width: int | None = None) -> Cameras:
        """The same cameras with pictures of `height` rows and `width` columns (None: square)."""
        if self.window is not None:
            raise ValueError("cropped pictures cannot be resized; resize first, then crop")
        return dataclasses.replace(self, height=height, width=height if width is None else width)

    def cropped(self, top: int, left: int, height: int, width: int) -> Cameras:
        """The same cameras, cropped to `height` rows from row `top` on and `width` columns from column `left` on.

        Example:
            >>> one = torch.ones(1)
            >>> whole = orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8)
            >>> torch.equal(whole.cropped(2, 3, 4, 5).rays()[1], whole.rays()[1][:, 2:6, 3:8])
            True
        """
        if not (0 <= top <= top + height <= self.height and 0 <= left <= left + width <= self.width):
            raise ValueError(f"rows {top} to {top + height} and columns {left} to {left + width} are not all among the "
                             f"{self.height} rows and {self.width} columns of the picture")  # fmt: skip
        full_frame = self.full_frame
        window = Window(full_frame.top + top, full_frame.left + left, full_frame.height, full_frame.width)
        return dataclasses.replace(self, height=height, width=width, window=window)

    @property
    def full_frame(self) -> Window:
        """The crop window in the whole picture; without a crop, the whole picture as a window."""
        return self.window or Window(0, 0, self.height, self.width)

    @property
    def focal(self) -> Float[Tensor, " B"]:
        """Focal lengths in pixels."""
        return 0.5 * self.full_frame.height / torch.tan(torch.deg2rad(self.fov_y_deg) / 2)

    @staticmethod
    def cat(batches: list[Cameras]) -> Cameras:
        """Concatenate batches of equal picture size."""
        first = batches[0]
        tensors: Any = {
            field.name: torch.cat([getattr(batch, field.name) for batch in batches])
            for field in dataclasses.fields(first)
            if field.name not in BATCH_FIELDS
        }
        return dataclasses.replace(first, **tensors)

    @in_float32
    def rays(self) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 3"]]:
        """Ray origins and unit directions through the pixel centres, in the world frame."""
        device, focal, full_frame = self.c2w.device, self.focal, self.full_frame
        x = torch.arange(full_frame.left, full_frame.left + self.width, device=device) + 0.5 - full_frame.width / 2
        y = full_frame.height / 2 - torch.arange(full_frame.top, full_frame.top + self.height, device=device) - 0.5
        shape = (len(self), self.height, self.width)
        local = torch.stack(
            [
                (x[None, None, :] / focal[:, None, None]).expand(shape),
                (y[None, :, None] / focal[:, None, None]).expand(shape),
                -torch.ones(shape, device=device),
            ],
            dim=-1,
        )
        directions = torch.einsum("bij,bhwj->bhwi", self.c2w[:, :3, :3], local)
        origins = self.c2w[:, None, None, :3, 3].expand_as(directions)
        return origins, torch.nn.functional.normalize(directions, dim=-1)

    @in_float32
    def clip_positions(self, points: Float[Tensor, "V 3"], near: float, far: float) -> Float[Tensor, "B V 4"]:
        """Homogeneous positions x, y, z, w of world points in OpenGL's clip space.

        x / w and y / w are -1 and 1 at the borders of the picture, right and up; z / w is -1 at distance `near` and 1
        at distance `far` along the viewing axis, both in scene units.
        """
        full_frame, w2c = self.full_frame, torch.linalg.inv(self.c2w)
        local = points @ w2c[:, :3, :3].mT + w2c[:, None, :3, 3]
        x, y, z = local.unbind(-1)
        up = 1 / torch.tan(torch.deg2rad(self.fov_y_deg) / 2)[:, None]
        depth = ((far + near) * z + 2 * far * near) / (near - far)
        across, upward = x * up * (full_frame.height / full_frame.width), y * up
        if self.window is not None:  # from the borders of the whole picture to those of the part
            right, above = (
                full_frame.width - 2 * full_frame.left - self.width,
                full_frame.height - 2 * full_frame.top - self.height,
            )
            across = (across * full_frame.width - z * right) / self.width
            upward = (upward * full_frame.height + z * above) / self.height
        return torch.stack([across, upward, depth, -z], dim=-1)

    def _map_tensors(self, function: Callable[[Tensor], Tensor]) -> Cameras:
        tensors: Any = {
            field.name: function(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in BATCH_FIELDS
        }
        return dataclasses.replace(self, **tensors)


class CameraSampler(ABC):
    """Samples the cameras of a step."""

    @abstractmethod
    def sample(self, moment: Moment) -> Cameras:
        """Cameras of one step, a function of `moment` alone."""


def look_at(
    position: Float[Tensor, "B 3"], target: Float[Tensor, "B 3"], up: Float[Tensor, "B 3"],
    level: Float[Tensor, "B 3"] | None = None,
) -> Float[Tensor, "B 4 4"]:  # fmt: skip
    """Camera-to-world matrices of cameras at `position` that look at `target`.

    Args:
        level: what is to the right of a camera that looks straight along `up`; None: +y.
    """
    backward = torch.nn.functional.normalize(position - target, dim=-1)
    right = torch.cross(up, backward, dim=-1)
    vertical = right.norm(dim=-1, keepdim=True) < 1e-4  # looking straight along `up`
    level = torch.tensor([0.0, 1.0, 0.0]).to(right).expand_as(right) if level is None else level
    right = torch.where(vertical, level, right)
    right = torch.nn.functional.normalize(right, dim=-1)
    c2w = torch.eye(4, device=position.device).repeat(len(position), 1, 1)
    c2w[:, :3, 0], c2w[:, :3, 1], c2w[:, :3, 2] = right, torch.cross(backward, right, dim=-1), backward
    c2w[:, :3, 3] = position
    return c2w


def orbit_positions(
    azimuth_deg: Float[Tensor, " B"], elevation_deg: Float[Tensor, " B"], distance: Float[Tensor, " B"]
) -> Float[Tensor, "B 3"]:
    """World positions of cameras on their orbits."""
    return orbit_directions(azimuth_deg, elevation_deg) * distance[:, None]


def orbit_directions(azimuth_deg: Float[Tensor, " B"], elevation_deg: Float[Tensor, " B"]) -> Float[Tensor, "B 3"]:
    """Unit vectors from the origin to cameras on their orbits."""
    azimuth, elevation = torch.deg2rad(azimuth_deg), torch.deg2rad(elevation_deg)
    return torch.stack([elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()], dim=-1)


def orbit_cameras(
    azimuth_deg: Float[Tensor, " B"],
    elevation_deg: Float[Tensor, " B"],
    distance: Float[Tensor, " B"],
    fov_y_deg: Float[Tensor, " B"],
    size: int,
    light: Float[Tensor, "B 3"] | None = None,
) -> Cameras:
    """Cameras that look at the origin from an orbit, square images of `size` pixels, lit from the camera position.

    Example:
        >>> one = torch.ones(1)
        >>> orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8).c2w[0, :3, 3]
        tensor([3., 0., 0.])
    """
    position = orbit_positions(azimuth_deg, elevation_deg, distance)
    up = torch.tensor([0.0, 0.0, 1.0]).to(position).expand_as(position)
    level = orbit_directions(azimuth_deg + 90, torch.zeros_like(elevation_deg))
    c2w = look_at(position, torch.zeros_like(position), up, level)
    return Cameras(
        c2w, fov_y_deg, azimuth_deg, elevation_deg, distance, size, size, position if light is None else light
    )
