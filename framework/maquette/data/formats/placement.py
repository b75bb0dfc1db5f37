"""The similarity from the files' world to the project's: its origin, up direction and scale."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from maquette.errors import ConfigError

MEAN_DISTANCE = 3.2  # of cameras from the origin in scene units; finished scenes are rendered from this distance
LEAST_SPREAD = 1e-6  # of the viewing axes, as the smallest over the largest eigenvalue; below it they count as parallel
LEAST_LENGTH = 1e-6  # of a mean of unit vectors; below it they have no common direction


def nearest_point_to_axes(c2w: Float[Tensor, "N 4 4"]) -> Float[Tensor, " 3"]:
    """The point with the least sum of squared distances from the cameras' viewing axes.

    The distance from the axis through o along the unit vector d is |(1 - d d^T)(x - o)|, so x solves a linear system.

    Raises:
        ConfigError: the axes are parallel, or the point lies behind most cameras.
    """
    origin, axis = c2w[:, :3, 3], c2w[:, :3, 2]
    across = torch.eye(3).to(axis) - axis[:, :, None] * axis[:, None, :]
    total = across.sum(0)
    smallest, _, largest = torch.linalg.eigvalsh(total)
    if smallest < LEAST_SPREAD * largest:
        raise ConfigError(
            "the cameras look in parallel, at no common point", key="center", hint="give center=[x, y, z]"
        )
    point = torch.linalg.solve(total, (across @ origin[..., None]).sum(0)[:, 0])
    ahead = ((point - origin) * -axis).sum(-1) > LEAST_LENGTH * (origin - origin.mean(0)).abs().max()
    if ahead.double().mean() < 0.5:
        raise ConfigError("the cameras look outward, at no common point", key="center", hint="give center=[x, y, z]")
    return point


def upright_rotation(c2w: Float[Tensor, "N 4 4"], center: Float[Tensor, " 3"]) -> Float[Tensor, "3 3"]:
    """The rotation that takes the cameras' mean up vector to +z and the first camera's side of `center` to +x.

    Raises:
        ConfigError: the up vectors cancel out.
    """
    up = c2w[:, :3, 1].mean(0)
    if up.norm() < LEAST_LENGTH:
        raise ConfigError("the cameras have no common up direction", hint="turn the reconstruction upright first")
    up = normalize(up, dim=0)
    toward = c2w[0, :3, 3] - center
    front = toward - up * (up @ toward)
    if front.norm() < LEAST_LENGTH * toward.norm():  # straight above: the top of its picture is as good a front
        front = c2w[0, :3, 1] - up * (up @ c2w[0, :3, 1])
    front = normalize(front, dim=0)
    return torch.stack([front, torch.linalg.cross(up, front), up])


def orbit_scale(c2w: Float[Tensor, "N 4 4"], center: Float[Tensor, " 3"]) -> float:
    """The scale that brings the cameras' mean distance from `center` to `MEAN_DISTANCE`."""
    return MEAN_DISTANCE / float((c2w[:, :3, 3] - center).norm(dim=-1).mean())


def similarity(rotation: Float[Tensor, "3 3"], center: Float[Tensor, " 3"], scale: float) -> Float[Tensor, "4 4"]:
    """The matrix of p -> scale * rotation (p - center).

    Example:
        >>> similarity(torch.eye(3), torch.tensor([1.0, 0.0, 0.0]), 2.0) @ torch.tensor([1.5, 0.0, 0.0, 1.0])
        tensor([1., 0., 0., 1.])
    """
    result = torch.eye(4).to(rotation)
    result[:3, :3] = scale * rotation
    result[:3, 3] = -scale * rotation @ center
    return result


def apply_placement(c2w: Float[Tensor, "N 4 4"], placement: Float[Tensor, "4 4"]) -> Float[Tensor, "N 4 4"]:
    """Camera-to-world matrices after a similarity of the world; their rotations stay orthonormal."""
    result = placement @ c2w
    result[:, :3, :3] /= torch.linalg.det(placement[:3, :3]) ** (1 / 3)
    return result
