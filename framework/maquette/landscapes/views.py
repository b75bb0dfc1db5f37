"""What a camera over a landscape meets: depth, label and position at each pixel, and labels at points in space."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras, look_at
from maquette.kernels.height_field import BITS, GROUND, TREE, WATER, HeightFieldHits, cast_rays
from maquette.landscapes.classes import LABEL_COLORS, LABELS, SKY_LABEL, TREE_LABEL, WATER_LABEL
from maquette.landscapes.world import Landscape
from maquette.randomness import Draws

LEAST_ENTROPY = 0.75  # of the labels of a picture, in nats; from SceneDreamer's camera sampler
LEAST_DEPTH = 2.0  # mean, in cells at scale 1; likewise
_TRIES = 200


@dataclass(frozen=True)
class LandscapeView:
    """What one camera meets; all maps are [H, W] or [H, W, 3].

    Attributes:
        origins, directions: its rays, in cells; directions of unit length.
        depth: along the ray; infinite for the sky.
        kind: of `maquette.kernels.height_field`.
        labels: index into LABELS.
    """

    origins: Float[Tensor, "H W 3"]
    directions: Float[Tensor, "H W 3"]
    depth: Float[Tensor, "H W"]
    kind: Int[Tensor, "H W"]
    labels: Int[Tensor, "H W"]

    @property
    def points(self) -> Float[Tensor, "H W 3"]:
        """Where the rays meet something; the origin for the sky."""
        return self.origins + self.depth.where(self.depth.isfinite(), 0.0)[..., None] * self.directions


def meet(
    scene: Landscape, origins: Float[Tensor, "*n 3"], directions: Float[Tensor, "*n 3"], reach: float = 1e6
) -> HeightFieldHits:
    """First meeting of rays with a landscape, flattened."""
    rays = (origins.reshape(-1, 3), directions.reshape(-1, 3))
    return cast_rays(*rays, scene.height, scene.tree_base, scene.tree_bits, reach=reach)


def look(scene: Landscape, camera: Cameras, reach: float = 1e6) -> LandscapeView:
    """What the first camera of a batch meets within `reach` cells."""
    origins, directions = camera.rays()
    return look_along(scene, origins[0], directions[0], reach)


def look_along(
    scene: Landscape, origins: Float[Tensor, "H W 3"], directions: Float[Tensor, "H W 3"], reach: float = 1e6
) -> LandscapeView:
    """What rays of unit directions meet within `reach` cells."""
    hits = meet(scene, origins, directions, reach)
    depth, kind = hits.depth.reshape(origins.shape[:2]), hits.kind.reshape(origins.shape[:2]).long()
    points = origins + depth.where(depth.isfinite(), 0.0)[..., None] * directions
    return LandscapeView(origins, directions, depth, kind, _labels_met(scene, points, kind))


def _labels_met(scene: Landscape, points: Float[Tensor, "*n 3"], kind: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    labels = scene.labels[_nearest(scene, points)].long()
    # The ground under water has water's label; where the shore is met above it, the land's beside it counts.
    labels = labels.where((kind != GROUND) | (labels != WATER_LABEL), LABELS.index("sand"))
    labels = labels.where(kind != WATER, WATER_LABEL).where(kind != TREE, TREE_LABEL)
    return labels.where(kind != 0, SKY_LABEL)


def _nearest(scene: Landscape, points: Float[Tensor, "*n 3"]) -> tuple[Tensor, Tensor]:
    return tuple(points[..., axis].round().long().clamp(0, scene.size[axis] - 1) for axis in (0, 1))  # type: ignore


def labels_at(scene: Landscape, points: Float[Tensor, "*n 3"]) -> tuple[Int[Tensor, "*n"], Bool[Tensor, "*n"]]:
    """Label of what fills space at points, and whether anything does.

    Below the ground it is the ground's, between ground and sea level water, in a voxel of a tree the tree's; in the air
    the label is the sky's.
    """
    i, j = (points[..., axis].floor().long().clamp(0, scene.size[axis] - 2) for axis in (0, 1))
    u, v = (points[..., 0] - i).clamp(0, 1), (points[..., 1] - j).clamp(0, 1)
    low = torch.lerp(scene.height[i, j], scene.height[i + 1, j], u)
    high = torch.lerp(scene.height[i, j + 1], scene.height[i + 1, j + 1], u)
    below = points[..., 2] <= torch.lerp(low, high, v) + 1e-3
    wet = points[..., 2] <= 1e-3
    bit = (points[..., 2] - scene.tree_base[i, j]).floor().long()
    voxel = (bit >= 0) & (bit < BITS) & ((scene.tree_bits[i, j] >> bit.clamp(0, BITS - 1)) & 1 == 1)
    labels = torch.full_like(i, SKY_LABEL).masked_fill(voxel, TREE_LABEL).masked_fill(wet, WATER_LABEL)
    ground = scene.labels[_nearest(scene, points)].long()
    ground = ground.where((ground != WATER_LABEL) | wet, LABELS.index("sand"))
    return labels.where(~below, ground), below | wet | voxel


def label_colors(labels: Int[Tensor, "*n"]) -> Float[Tensor, "*n 3"]:
    """Label maps as pictures in [0, 1]: a colour for each label."""
    return torch.from_numpy(LABEL_COLORS)[labels].float() / 255


def entropy(labels: Int[Tensor, "H W"]) -> float:
    """Entropy of the labels of a picture, in nats."""
    fractions = torch.bincount(labels.flatten(), minlength=len(LABELS)) / labels.numel()
    return float(-(fractions * (fractions + 1e-10).log()).sum())


@dataclass(frozen=True)
class PoseRange:
    """Where cameras over a landscape stand and look; lengths in cells at scale 1, times `scale`."""

    scale: float = 1.0
    above: tuple[float, float] = (8.0, 64.0)  # over ground or water
    pitch_deg: tuple[float, float] = (-28.0, 4.0)
    fov_y_deg: tuple[float, float] = (45.0, 70.0)
    border: float = 0.15  # fraction of the window's side that no camera stands in, on each side


def draw_camera(
    scene: Landscape, draws: Draws, height: int, width: int, poses: PoseRange, reach: float = 1e6
) -> tuple[Cameras, LandscapeView]:
    """A camera by rejection: not in the ground, with labels of enough entropy, and not too close to things.

    Source: camera sampler of SceneDreamer (Chen et al. 2023, arXiv 2302.01330), the authors' code.

    Raises:
        ValueError: no pose of many fits; the landscape is almost all of one label.
    """
    best: tuple[float, Cameras, LandscapeView] | None = None
    for attempt in range(_TRIES):
        x, y, up, heading, pitch, fov = draws.uniform(f"pose {attempt}", 6).tolist()
        along, across = (poses.border + (1 - 2 * poses.border) * at for at in (x, y))
        stand = (along * (scene.size[0] - 1), across * (scene.size[1] - 1))
        floor = max(float(scene.height[round(stand[0]), round(stand[1])]), 0.0)
        position = torch.tensor([*stand, floor + poses.scale * _between(poses.above, up)])
        angles = (360 * heading, _between(poses.pitch_deg, pitch), _between(poses.fov_y_deg, fov))
        camera = camera_at(position, *angles, height, width)
        coarse = look(scene, camera.resized(max(height // 4, 8), max(width // 4, 8)), reach)
        if float(coarse.depth.clamp(max=reach).mean()) < LEAST_DEPTH * poses.scale or float(coarse.depth.min()) < 1.0:
            continue
        score = entropy(coarse.labels)
        if best is None or score > best[0]:
            best = (score, camera, coarse)
        if score >= LEAST_ENTROPY:
            break
    if best is None:
        raise ValueError("no camera over this landscape has a free view; it may be all ground at one height")
    return best[1], look(scene, best[1], reach)


def camera_at(
    position: Float[Tensor, 3], heading_deg: float, pitch_deg: float, fov_y_deg: float, height: int, width: int
) -> Cameras:
    """One camera by its position, heading (0 along x, counter-clockwise from above) and pitch (positive looks up)."""
    heading, pitch = math.radians(heading_deg), math.radians(pitch_deg)
    forward = torch.tensor([math.cos(pitch) * math.cos(heading), math.cos(pitch) * math.sin(heading), math.sin(pitch)])
    position = position.float()
    c2w = look_at(position[None], (position + forward)[None], torch.tensor([[0.0, 0.0, 1.0]]))
    zero = torch.zeros(1)
    return Cameras(c2w, zero + fov_y_deg, zero + heading_deg, zero + pitch_deg, zero + 1, height, width, position[None])


def _between(limits: tuple[float, float], fraction: float) -> float:
    return limits[0] + (limits[1] - limits[0]) * fraction
