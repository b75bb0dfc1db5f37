"""Posed pictures of a ball, red above and blue below, with exact coverage."""

from __future__ import annotations

import torch

from maquette.data.formats import PosedImages
from maquette.images.picture import Picture
from views import around

RED, BLUE = (0.9, 0.1, 0.1), (0.1, 0.1, 0.9)
SUPERSAMPLING = 4


def ball_views(
    *azimuths: float, radius: float = 0.5, elevation: float = 15.0, size: int = 32, lit: bool = False
) -> PosedImages:
    """Views from these azimuths (by default four around) of a ball about the origin, flat or lit from the camera."""
    azimuths = azimuths or (0.0, 90.0, 180.0, 270.0)
    fine = around(*azimuths, elevation=elevation, size=size * SUPERSAMPLING)
    origins, directions = fine.rays()
    along = -(origins * directions).sum(-1)
    discriminant = radius**2 - (origins.square().sum(-1) - along.square())
    alpha = (discriminant > 0).float()[..., None]
    hit = origins + directions * (along - discriminant.clamp(min=0).sqrt())[..., None]
    color = torch.where(hit[..., 2:] > 0, torch.tensor(RED), torch.tensor(BLUE))
    if lit:
        color = color * (0.35 + 0.65 * -(hit / radius * directions).sum(-1, keepdim=True).clamp(max=0))
    covered = _pooled(alpha)
    picture = Picture(_pooled(color * alpha) / covered.clamp(min=1e-6), covered)
    cameras = around(*azimuths, elevation=elevation, size=size)
    names = tuple(f"{azimuth:g}" for azimuth in azimuths)
    return PosedImages(picture, cameras, ("train",) * len(azimuths), names)


def _pooled(values: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(values.permute(0, 3, 1, 2), SUPERSAMPLING).permute(0, 2, 3, 1)
