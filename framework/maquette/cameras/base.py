"""A batch of perspective cameras, and the contract of what draws one.

World: right-handed, z up, the object's front looks along +x, azimuth 0 sees the front and grows counter-clockwise seen
from above. Camera axes are OpenGL's: x right, y up, z backward.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.randomness import Draws


@dataclass(frozen=True)
class Cameras:
    """B cameras.

    Args:
        c2w: camera-to-world [B, 4, 4].
        fov_y_deg: full vertical angle of view [B].
        azimuth_deg, elevation_deg, distance: where they stand on their orbit [B]; what prompts and priors are told.
        height, width: pixels.
        light: positions of each camera's point light [B, 3].
    """

    c2w: Float[Tensor, "B 4 4"]
    fov_y_deg: Float[Tensor, " B"]
    azimuth_deg: Float[Tensor, " B"]
    elevation_deg: Float[Tensor, " B"]
    distance: Float[Tensor, " B"]
    height: int
    width: int
    light: Float[Tensor, "B 3"]

    def __len__(self) -> int:
        return self.c2w.shape[0]

    def __getitem__(self, index: slice | Tensor) -> Cameras:
        """Some of the cameras."""
        return self._map(lambda tensor: tensor[index])

    def to(self, device: torch.device | str) -> Cameras:
        """The same cameras on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def resized(self, size: int) -> Cameras:
        """The same cameras with square pictures of `size` pixels."""
        return dataclasses.replace(self, height=size, width=size)

    @staticmethod
    def cat(batches: list[Cameras]) -> Cameras:
        """Several batches of equal picture size as one."""
        first = batches[0]
        tensors: Any = {
            field.name: torch.cat([getattr(batch, field.name) for batch in batches])
            for field in dataclasses.fields(first)
            if field.name not in ("height", "width")
        }
        return dataclasses.replace(first, **tensors)

    def rays(self) -> tuple[Float[Tensor, "B H W 3"], Float[Tensor, "B H W 3"]]:
        """Origins and unit directions through the pixel centres, world frame."""
        device = self.c2w.device
        focal = 0.5 * self.height / torch.tan(torch.deg2rad(self.fov_y_deg) / 2)
        x = torch.arange(self.width, device=device) + 0.5 - self.width / 2
        y = self.height / 2 - torch.arange(self.height, device=device) - 0.5
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

    def clip_positions(self, points: Float[Tensor, "V 3"], near: float, far: float) -> Float[Tensor, "B V 4"]:
        """Homogeneous positions x, y, z, w of world points in OpenGL's clip space.

        x / w and y / w are -1 and 1 at the borders of the picture, right and up; z / w is -1 at distance `near` and 1
        at distance `far` along the viewing axis, both in scene units.
        """
        w2c = torch.linalg.inv(self.c2w)
        local = points @ w2c[:, :3, :3].mT + w2c[:, None, :3, 3]
        x, y, z = local.unbind(-1)
        up = 1 / torch.tan(torch.deg2rad(self.fov_y_deg) / 2)[:, None]
        depth = ((far + near) * z + 2 * far * near) / (near - far)
        return torch.stack([x * up * (self.height / self.width), y * up, depth, -z], dim=-1)

    def _map(self, change: Callable[[Tensor], Tensor]) -> Cameras:
        tensors: Any = {
            field.name: change(getattr(self, field.name))
            for field in dataclasses.fields(self)
            if field.name not in ("height", "width")
        }
        return dataclasses.replace(self, **tensors)


class CameraSampler:
    """Draws the cameras of a step."""

    def sample(self, step: int, total: int, draws: Draws) -> Cameras:
        """Cameras for `step` of `total`, a function of its arguments alone."""
        raise NotImplementedError


def look_at(
    position: Float[Tensor, "B 3"], target: Float[Tensor, "B 3"], up: Float[Tensor, "B 3"]
) -> Float[Tensor, "B 4 4"]:
    """Camera-to-world matrices of cameras at `position` that look at `target`."""
    backward = torch.nn.functional.normalize(position - target, dim=-1)
    right = torch.cross(up, backward, dim=-1)
    vertical = right.norm(dim=-1, keepdim=True) < 1e-4  # looking straight along `up`
    right = torch.where(vertical, torch.tensor([0.0, 1.0, 0.0]).to(right).expand_as(right), right)
    right = torch.nn.functional.normalize(right, dim=-1)
    c2w = torch.eye(4, device=position.device).repeat(len(position), 1, 1)
    c2w[:, :3, 0], c2w[:, :3, 1], c2w[:, :3, 2] = right, torch.cross(backward, right, dim=-1), backward
    c2w[:, :3, 3] = position
    return c2w


def orbit_positions(
    azimuth_deg: Float[Tensor, " B"], elevation_deg: Float[Tensor, " B"], distance: Float[Tensor, " B"]
) -> Float[Tensor, "B 3"]:
    """World positions of cameras on their orbits."""
    azimuth, elevation = torch.deg2rad(azimuth_deg), torch.deg2rad(elevation_deg)
    direction = torch.stack([elevation.cos() * azimuth.cos(), elevation.cos() * azimuth.sin(), elevation.sin()], dim=-1)
    return direction * distance[:, None]


def orbit_cameras(
    azimuth_deg: Float[Tensor, " B"],
    elevation_deg: Float[Tensor, " B"],
    distance: Float[Tensor, " B"],
    fov_y_deg: Float[Tensor, " B"],
    size: int,
    light: Float[Tensor, "B 3"] | None = None,
) -> Cameras:
    """Cameras that look at the origin from their orbits, square pictures of `size` pixels, lit from where they stand.

    Example:
        >>> one = torch.ones(1)
        >>> orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8).c2w[0, :3, 3]
        tensor([3., 0., 0.])
    """
    position = orbit_positions(azimuth_deg, elevation_deg, distance)
    up = torch.tensor([0.0, 0.0, 1.0]).to(position).expand_as(position)
    c2w = look_at(position, torch.zeros_like(position), up)
    return Cameras(
        c2w, fov_y_deg, azimuth_deg, elevation_deg, distance, size, size, position if light is None else light
    )
