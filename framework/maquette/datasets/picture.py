"""One picture of an object as a data set: cut out anew each time, mirrored or not, before another background."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.backgrounds.random_solid import RandomSolid
from maquette.images.framing import RemoveBackground, SquareCrop, crop_and_resize, read_object, square_around_object
from maquette.images.picture import Picture
from maquette.randomness import Draws
from maquette.registry import register

ROOM = 0.5  # share of its side that the object takes in the picture that all others are cut from
FINER = 2  # pixels of that picture to one of a cut's
LIGHT = RandomSolid.Config(low=0.5, tint=0.15)


@register("dataset", "picture")
class PictureVariations:
    """Variations of the reference picture, so that only the object is common to them.

    Source: of the variations, Melas-Kyriazi et al. 2023 (RealFusion, arXiv 2302.10663), sec. 3.2.
    """

    @dataclass(frozen=True)
    class Config:
        path: str  # picture with an alpha channel; without one its background is removed by rembg
        size: int = 64  # side in pixels
        fill: tuple[float, float] = (0.6, 0.9)  # share of the side that the object's longer side takes, from and to
        shift: float = 0.08  # how far from the middle it may be, each way, as a share of the side
        mirror: float = 0.5  # probability of swapping left and right
        background: RandomSolid.Config = LIGHT  # of the colour behind
        remove_background: RemoveBackground = "auto"  # auto: when the picture has no alpha

        def __post_init__(self) -> None:
            if not Path(self.path).expanduser().is_file():
                raise ValueError(f"path: there is no picture {self.path}")
            if not ROOM / 2 <= self.fill[0] <= self.fill[1] <= 2 or self.size < 8:
                raise ValueError(f"a picture needs a size of 8 or more, and fill from {ROOM / 2} up")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._background = RandomSolid(config.background)

    def prepare(self, device: torch.device) -> None:
        picture = read_object(Path(self.config.path).expanduser(), self.config.remove_background)
        square = square_around_object(picture, ROOM)
        self._picture = crop_and_resize(picture, square, min(max(int(square.side), 1), FINER * self.config.size))
        self._device = device

    def batch(self, draws: Draws, size: int) -> Float[Tensor, "B H W 3"]:
        c, count = self.config, self._picture.size[0]
        sides = ROOM * count / draws.uniform("fill", size, low=c.fill[0], high=c.fill[1])
        middles = count / 2 + draws.uniform("shift", size, 2, low=-c.shift, high=c.shift) * sides[:, None]
        squares = [
            SquareCrop((middle[0], middle[1]), side)
            for middle, side in zip(middles.tolist(), sides.tolist(), strict=True)
        ]
        cut = Picture.cat([crop_and_resize(self._picture, square, c.size) for square in squares])
        mirrored = (draws.uniform("mirror", size) < c.mirror)[:, None, None, None]
        cut = Picture.from_rgba(torch.where(mirrored, cut.rgba.flip(2), cut.rgba))
        behind = self._background(torch.zeros_like(cut.color), draws.sub("background"))
        return cut.over(behind).to(self._device)
