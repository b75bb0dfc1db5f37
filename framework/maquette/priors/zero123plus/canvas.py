"""Six views as one picture, three rows of two, and the way between that picture and what a model denoises."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.errors import ConfigError
from maquette.images.pixels import to_rgb
from maquette.priors.autoencoder import Pictures

ROWS, COLUMNS = 3, 2
VIEWS = ROWS * COLUMNS


def tile(views: Float[Tensor, "B C h w"]) -> Float[Tensor, "G C H W"]:
    """Every six consecutive views as one picture, row by row: H = 3 h, W = 2 w.

    Example:
        >>> import torch
        >>> tile(torch.arange(6).view(6, 1, 1, 1))[0, 0]
        tensor([[0, 1],
                [2, 3],
                [4, 5]])
    """
    grid = views.unflatten(0, (-1, ROWS, COLUMNS))
    return grid.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def untile(canvas: Float[Tensor, "G C H W"]) -> Float[Tensor, "B C h w"]:
    """The inverse of `tile`."""
    grid = canvas.unflatten(3, (COLUMNS, -1)).unflatten(2, (ROWS, -1))
    return grid.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def check_groups(count: int) -> None:
    """Refuse a number of pictures that are not groups of six.

    Raises:
        ConfigError: with cameras that are.
    """
    if count % VIEWS:
        raise ConfigError(
            f"{count} pictures are not groups of {VIEWS}, which this prior sees as one", key="cameras",
            hint="let the cameras be the six that it knows (list); docs/zero123plus.md shows them",
        )  # fmt: skip


def one_level(t: Int[Tensor, " B"]) -> Int[Tensor, " G"]:
    """The timestep of each six views.

    Raises:
        ConfigError: they have several.
    """
    grouped = t.unflatten(0, (-1, VIEWS))
    if bool((grouped != grouped[:, :1]).any()):
        raise ConfigError(
            f"the {VIEWS} views of an object are one picture at one noise level, not at several",
            key="objective.timesteps.shared", hint="set it to true",
        )  # fmt: skip
    return grouped[:, 0]


@dataclass(frozen=True)
class Scaling:
    """What a model denoises, made of pixels x in [-1, 1] and scaled latents z: (z(pixels x) - shift) latents."""

    pixels: float = 1.0
    shift: float = 0.0
    latents: float = 1.0


LATENT = Scaling(pixels=0.5 / 0.8, shift=0.22, latents=0.75)
"""Source: scale_image and scale_latents of Zero123++'s pipeline."""
PIXEL = Scaling()


class Canvases:
    """The way between groups of six pictures and what a model denoises, each group encoded as one picture.

    Args:
        pictures: the way of single pictures.
    """

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self._scaling = PIXEL if pictures.vae is None else LATENT

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> the parts of the canvas that are theirs; differentiable."""
        check_groups(len(rgb))
        canvas = tile(self.pictures.pixels(rgb))
        latents = self.pictures.compress(canvas * self._scaling.pixels)
        return untile((latents - self._scaling.shift) * self._scaling.latents)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse, cut to [0, 1]."""
        check_groups(len(latents))
        canvas = self.pictures.expand(tile(latents) / self._scaling.latents + self._scaling.shift)
        return to_rgb(untile(canvas / self._scaling.pixels))
