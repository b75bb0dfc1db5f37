"""Exact shading of a landscape: materials by label, sun with shadows, sky with clouds, haze.

The sun stands at one azimuth of the world; hour, haze, clouds, season and exposure are the style of a photograph.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.kernels.height_field import SKY, TREE, WATER
from maquette.kernels.simplex_noise import simplex_noise
from maquette.landscapes.classes import LABELS
from maquette.landscapes.views import LandscapeView, meet
from maquette.landscapes.world import Landscape
from maquette.randomness import Draws

SUN_AZIMUTH_DEG = 140.0  # of the world, for all photographs
_CLOUD_SEED, _GROUND_SEED = 901, 902
_LIFT = 0.05  # cells that a shadow ray begins above the ground
_ALBEDO = {  # linear red, green, blue of summer
    "ignore": (0.2, 0.2, 0.2), "sky": (0.2, 0.3, 0.5), "tree": (0.030, 0.085, 0.022), "dirt": (0.22, 0.15, 0.085),
    "flower": (0.35, 0.15, 0.25), "grass": (0.085, 0.19, 0.035), "gravel": (0.23, 0.21, 0.18),
    "water": (0.015, 0.05, 0.07), "rock": (0.17, 0.155, 0.14), "stone": (0.28, 0.26, 0.24), "sand": (0.52, 0.42, 0.26),
    "snow": (0.85, 0.88, 0.93),
}  # fmt: skip
_AUTUMN = {"tree": (0.20, 0.075, 0.015), "grass": (0.21, 0.17, 0.05)}
_GRAIN = {"rock": 0.65, "stone": 0.5, "gravel": 0.5, "dirt": 0.45, "grass": 0.45, "sand": 0.2, "snow": 0.1, "tree": 0.5}


@dataclass(frozen=True)
class Style:
    """How a photograph looks, whatever it shows.

    Attributes:
        sun_deg: elevation of the sun.
        haze: thickness of the air over 100 cells.
        clouds: fraction of the sky that they cover.
        autumn: 0 for summer, 1 for autumn.
        exposure: factor of the light.
    """

    sun_deg: float
    haze: float
    clouds: float
    autumn: float
    exposure: float

    @classmethod
    def draw(cls, draws: Draws) -> Style:
        """A style at random."""
        sun, haze, clouds, autumn, exposure = draws.uniform("style", 5).tolist()
        return cls(
            5 + 50 * sun**1.3, 0.08 + 0.9 * haze**4, clouds, max(2 * autumn - 1, 0.0) ** 0.7, 0.85 + 0.3 * exposure
        )

    @property
    def sun(self) -> Tensor:
        """Direction to the sun."""
        azimuth, elevation = math.radians(SUN_AZIMUTH_DEG), math.radians(self.sun_deg)
        level = math.cos(elevation)
        return torch.tensor([level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)])

    @property
    def sunlight(self) -> Tensor:
        """Colour of the sun: the redder, the lower it stands."""
        high = 1 - math.exp(-self.sun_deg / 14)
        return torch.tensor([3.4, 1.3 + 1.8 * high, 0.5 + 2.3 * high]) * (0.45 + 0.55 * high)

    @property
    def zenith(self) -> Tensor:
        """Colour of the sky overhead."""
        high = 1 - math.exp(-self.sun_deg / 16)
        return torch.tensor([0.10, 0.13, 0.24]) * (1 - high) + torch.tensor([0.09, 0.26, 0.78]) * high

    @property
    def horizon(self) -> Tensor:
        """Colour of the sky above the horizon, which haze has too."""
        high = 1 - math.exp(-self.sun_deg / 12)
        return torch.tensor([0.80, 0.50, 0.38]) * (1 - high) + torch.tensor([0.62, 0.74, 0.88]) * high


def shade(scene: Landscape, view: LandscapeView, style: Style) -> Float[Tensor, "H W 3"]:
    """Linear light of each pixel of a view."""
    shape = view.labels.shape
    points, directions = view.points.reshape(-1, 3), view.directions.reshape(-1, 3)
    kind, labels, depth = view.kind.flatten(), view.labels.flatten(), view.depth.flatten()
    sky = sky_light(directions, style)
    light = sky.clone()
    met = kind != SKY
    if bool(met.any()):
        lit = _lit(scene, points[met], directions[met], kind[met], labels[met], style)
        thickness = 1 - torch.exp(-style.haze * (depth[met] / 100) ** 1.2)
        light[met] = torch.lerp(lit, style.horizon, thickness[:, None])
    return (light * style.exposure).reshape(*shape, 3)


def sky_light(directions: Float[Tensor, "n 3"], style: Style) -> Float[Tensor, "n 3"]:
    """Light of the sky in each direction: a gradient, a glow around the sun, and clouds on a plane high up."""
    up = directions[:, 2].clamp(min=0.0)
    color = torch.lerp(style.horizon, style.zenith, (1 - torch.exp(-4.5 * up))[:, None])
    toward = (directions @ style.sun).clamp(min=0.0)
    color = color + style.sunlight * (0.10 * toward**8 + 0.5 * toward**200)[:, None]
    plane = directions[:, :2] / (up + 0.12)[:, None] * 1.2
    density = _noise(plane, _CLOUD_SEED, octaves=5)
    cover = ((density - 0.55 + 1.05 * style.clouds) * 2.2).clamp(0, 1) * (up * 7).clamp(0, 1)
    bright = 0.75 * style.horizon + 0.22 * style.sunlight * (1.0 - 0.5 * cover)[:, None]
    return torch.lerp(color, bright, 0.9 * cover[:, None])


def _lit(
    scene: Landscape, points: Tensor, directions: Tensor, kind: Tensor, labels: Tensor, style: Style
) -> Float[Tensor, "n 3"]:
    """Light from what rays meet, before haze."""
    normal = normals(scene, points, kind)
    shadow = meet(scene, points + _LIFT * normal + torch.tensor([0.0, 0.0, _LIFT]), style.sun.expand_as(points)).kind
    sun = (normal @ style.sun).clamp(min=0.0) * (shadow == SKY)
    ambient = torch.lerp(style.horizon * 0.35, style.zenith * 0.6 + 0.15 * style.horizon, 0.5 + 0.5 * normal[:, 2:])
    color = albedo(points, labels, style)
    lit = color * (sun[:, None] * style.sunlight * 0.8 + ambient)
    wet = kind == WATER
    if bool(wet.any()):
        lit[wet] = _water(points[wet], directions[wet], color[wet], style)
    return lit


def _water(points: Tensor, directions: Tensor, color: Tensor, style: Style) -> Float[Tensor, "n 3"]:
    """Sky mirrored by small waves, and the colour of the water below."""
    waves = torch.stack([_noise(points[:, :2] * 0.9, _GROUND_SEED + axis, octaves=3) for axis in (5, 6)], dim=-1)
    normal = torch.nn.functional.normalize(torch.cat([0.09 * waves, torch.ones_like(waves[:, :1])], dim=-1), dim=-1)
    facing = -(directions * normal).sum(dim=-1, keepdim=True)
    mirrored = directions + 2 * facing * normal
    mirrored = torch.cat([mirrored[:, :2], mirrored[:, 2:].abs()], dim=-1)
    reflected = 0.02 + 0.98 * (1 - facing.clamp(0, 1)) ** 5
    return color * (0.6 * style.sunlight + style.horizon) + reflected * sky_light(mirrored, style)


def normals(scene: Landscape, points: Float[Tensor, "n 3"], kind: Int[Tensor, " n"]) -> Float[Tensor, "n 3"]:
    """Unit normals: of the bilinear ground, of flat water, of the voxel's face for trees."""
    i, j = (points[:, axis].floor().long().clamp(0, scene.size[axis] - 2) for axis in (0, 1))
    u, v = points[:, 0] - i, points[:, 1] - j
    h = scene.height
    slope_x = torch.lerp(h[i + 1, j] - h[i, j], h[i + 1, j + 1] - h[i, j + 1], v)
    slope_y = torch.lerp(h[i, j + 1] - h[i, j], h[i + 1, j + 1] - h[i + 1, j], u)
    ground = torch.stack([-slope_x, -slope_y, torch.ones_like(slope_x)], dim=-1)
    # A tree is a rough round thing: its normals point away from the middle of the voxel, and up.
    tree = torch.stack([u - 0.5, v - 0.5, torch.full_like(u, 0.45)], dim=-1)
    normal = torch.where((kind == TREE)[:, None], tree, ground)
    normal = torch.where((kind == WATER)[:, None], torch.tensor([0.0, 0.0, 1.0]), normal)
    return torch.nn.functional.normalize(normal, dim=-1)


def albedo(points: Float[Tensor, "n 3"], labels: Int[Tensor, " n"], style: Style) -> Float[Tensor, "n 3"]:
    """Colour of the ground at points: its label's by season, with grain at two sizes and strata in rock."""
    summer = torch.tensor([_ALBEDO[label] for label in LABELS])
    autumn = torch.tensor([_AUTUMN.get(label, _ALBEDO[label]) for label in LABELS])
    grain = torch.tensor([_GRAIN.get(label, 0.0) for label in LABELS])[labels]
    patches = _noise(points[:, :2] / 9, _GROUND_SEED, octaves=2)
    fine = _noise((points[:, :2] + 0.7 * points[:, 2:]) / 1.6, _GROUND_SEED + 1, octaves=3)
    turned = (style.autumn * (0.75 + 0.9 * patches)).clamp(0, 1)
    color = torch.lerp(summer[labels], autumn[labels], turned[:, None])
    strata = torch.sin(points[:, 2] * 1.7 + 3 * patches) * (labels == LABELS.index("rock"))
    bright = 1 + grain * (0.9 * fine + 0.7 * patches + 0.3 * strata)
    return color * bright.clamp(min=0.15)[:, None]


def _noise(places: Float[Tensor, "n 2"], seed: int, octaves: int) -> Float[Tensor, " n"]:
    return simplex_noise(places.double(), seed, octaves=octaves).float()


def developed(light: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """A picture in [0, 1] of linear light: a film's shoulder, then sRGB."""
    from maquette.images.color import linear_to_srgb

    bright = 1.5 * light
    return linear_to_srgb((bright * (1 + bright / 9) / (1 + 0.75 * bright)).clamp(0, 1))
