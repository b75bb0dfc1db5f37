"""One image of an object as a data set: random crops and mirrorings over random backgrounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction, InputPath, NonNegative, Range
from maquette.backgrounds.random_solid import RandomSolid
from maquette.config.parts import MattingSpec, part_field
from maquette.images.framing import SquareCrop, crop_and_resize, read_object, square_around_object
from maquette.images.picture import Picture
from maquette.randomness import Draws
from maquette.registry import register

SOURCE_FILL = 0.5  # fraction of the side that the object takes in the image that variations are cropped from
SOURCE_OVERSAMPLING = 2  # pixels of that image per pixel of a variation
LIGHT_BACKGROUND = RandomSolid.Config(low=0.5, tint=0.15)


@register("dataset", "picture")
class PictureVariations:
    """Random variations of the reference image, which have only the object in common.

    Source: variations, Melas-Kyriazi et al. 2023 (RealFusion, arXiv 2302.10663), sec. 3.2.
    """

    @dataclass(frozen=True)
    class Config:
        path: InputPath  # image with an alpha channel; one without gets it by `matting`
        mask: InputPath = ""  # path of a mask of the image's size, white where the object is; it replaces the matting
        size: Annotated[int, Range(8, 16_384)] = 64  # side in pixels
        fill: tuple[float, float] = (0.6, 0.9)  # range of the fraction of the side that the object's longer side takes
        shift: NonNegative = 0.08  # largest offset of the object from the centre, per axis, as a fraction of the side
        mirror: Fraction = 0.5  # probability of mirroring left and right
        background: RandomSolid.Config = LIGHT_BACKGROUND  # distribution of the background colour
        matting: MattingSpec | None = part_field("matting", "rembg")  # of an image without alpha; none: it stays opaque

        def __post_init__(self) -> None:
            if not Path(self.path).expanduser().is_file():
                raise ValueError(f"path: there is no picture {self.path}")
            if not SOURCE_FILL / 2 <= self.fill[0] <= self.fill[1] <= 2 or self.size < 8:
                raise ValueError(f"a picture needs a size of 8 or more, and fill from {SOURCE_FILL / 2} up")

    def __init__(self, config: Config) -> None:
        self.config = config
        self._background = RandomSolid(config.background)

    def prepare(self, device: torch.device) -> None:
        c = self.config
        matting = c.matting.build() if c.matting else None
        picture = read_object(Path(c.path), matting, Path(c.mask) if c.mask else None)
        square = square_around_object(picture, SOURCE_FILL)
        self._picture = crop_and_resize(
            picture, square, min(max(int(square.side), 1), SOURCE_OVERSAMPLING * self.config.size)
        )
        self._device = device

    def batch(self, draws: Draws, size: int) -> Float[Tensor, "B H W 3"]:
        c, count = self.config, self._picture.size[0]
        sides = SOURCE_FILL * count / draws.uniform("fill", size, low=c.fill[0], high=c.fill[1])
        centers = count / 2 + draws.uniform("shift", size, 2, low=-c.shift, high=c.shift) * sides[:, None]
        squares = [
            SquareCrop((center[0], center[1]), side)
            for center, side in zip(centers.tolist(), sides.tolist(), strict=True)
        ]
        crops = Picture.cat([crop_and_resize(self._picture, square, c.size) for square in squares])
        mirrored = (draws.uniform("mirror", size) < c.mirror)[:, None, None, None]
        crops = Picture.from_rgba(torch.where(mirrored, crops.rgba.flip(2), crops.rgba))
        background = self._background(torch.zeros_like(crops.color), draws.sub("background"))
        return crops.over(background).to(self._device)
