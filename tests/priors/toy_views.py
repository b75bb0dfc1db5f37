"""Sets of small pictures whose views differ by a patch: a face on the front, half of it at the sides, none behind."""

from __future__ import annotations

import torch

from maquette.data.formats.captioned import CaptionedViews
from maquette.priors.oracle.oracle import Oracle
from views import around

COLOURS = {"a red thing": (0.8, 0.1, 0.1), "a blue thing": (0.1, 0.1, 0.8), "a green thing": (0.1, 0.7, 0.1)}
FACE, HATCH = (1.0, 0.9, 0.1), (0.1, 0.1, 0.1)
AZIMUTHS = (0.0, 90.0, 180.0, 270.0)


def thing(colour: tuple[float, float, float]) -> torch.Tensor:
    """Pictures from the four AZIMUTHS [4, 8, 8, 3]."""
    views = torch.ones(4, 8, 8, 3)
    views[:, 1:7, 2:6] = torch.tensor(colour)
    views[0, 2:4, 2:6] = torch.tensor(FACE)
    views[1, 2:4, 2:3] = views[3, 2:4, 5:6] = torch.tensor(FACE)
    views[2, 4:6, 3:5] = torch.tensor(HATCH)
    return views


def toy_views() -> CaptionedViews:
    """Three objects, told apart by colour, from four sides."""
    return CaptionedViews.from_pictures(
        {caption: thing(colour) for caption, colour in COLOURS.items()}, around(*AZIMUTHS)
    )


def toy_oracle(**config) -> Oracle:
    return Oracle(Oracle.Config(device="cpu", **config), toy_views())


def nearest(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Which object and which of the AZIMUTHS each picture [B, 8, 8, 3] is most like, and how far it is from that."""
    known = toy_views().images.picture.over(1.0)
    apart = (pictures[:, None] - known).square().flatten(2).mean(dim=-1).sqrt()
    distance, index = apart.min(dim=1)
    return index // 4, index % 4, distance
