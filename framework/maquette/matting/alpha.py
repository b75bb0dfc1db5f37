"""Alpha as the picture has it."""

from __future__ import annotations

from dataclasses import dataclass

from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.images.reading import LEAST_TRANSPARENT
from maquette.matting.base import Matting
from maquette.registry import register


@register("matting", "alpha")
class Alpha(Matting):
    """The alpha that a picture comes with; one that is opaque all over is refused."""

    @dataclass(frozen=True)
    class Config:
        pass

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, picture: Picture) -> Picture:
        if bool(((picture.alpha < 0.5).flatten(1).float().mean(1) < LEAST_TRANSPARENT).any()):
            raise ConfigError(
                "this picture has no alpha channel, or one that is opaque",
                hint="save it with a transparent background, or take matting=border (for a plain background) or rembg",
            )
        return picture
