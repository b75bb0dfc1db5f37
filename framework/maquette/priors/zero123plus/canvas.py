"""Six views tiled to one picture of three rows and two columns, and the encoding of that picture."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from maquette.errors import ConfigError
from maquette.images.pixels import to_rgb
from maquette.priors.autoencoder import PictureCodec

ROWS, COLUMNS = 3, 2
VIEWS = ROWS * COLUMNS


def tile(views: Float[Tensor, "B C h w"]) -> Float[Tensor, "G C H W"]:
    """Tile every six consecutive views to one picture, row by row: H = 3 h, W = 2 w.

    Example:
        >>> import torch
        >>> tile(torch.arange(6.0).view(6, 1, 1, 1))[0, 0].int()
        tensor([[0, 1],
                [2, 3],
                [4, 5]], dtype=torch.int32)
    """
    cells = views.unflatten(0, (-1, ROWS, COLUMNS))
    return cells.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def untile(canvas: Float[Tensor, "G C H W"]) -> Float[Tensor, "B C h w"]:
    """The inverse of `tile`."""
    cells = canvas.unflatten(3, (COLUMNS, -1)).unflatten(2, (ROWS, -1))
    return cells.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)


def check_groups(count: int) -> None:
    """Check that a number of pictures is a multiple of six.

    Raises:
        ConfigError: it is not; the hint names the cameras to use.
    """
    if count % VIEWS:
        raise ConfigError(
            f"{count} pictures are not groups of {VIEWS}, which this prior denoises as one", key="cameras",
            hint="use the six cameras of the prior (type: list); docs/zero123plus.md shows them",
        )  # fmt: skip


def common_timesteps(t: Int[Tensor, " B"]) -> Int[Tensor, " G"]:
    """The common timestep of every six views.

    Raises:
        ConfigError: six views have several timesteps.
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
    """Scaling of the denoised values: (z(pixels x) - shift) latents, for pixels x in [-1, 1] and scaled latents z."""

    pixels: float = 1.0
    shift: float = 0.0
    latents: float = 1.0


LATENT = Scaling(pixels=0.5 / 0.8, shift=0.22, latents=0.75)
"""Source: scale_image and scale_latents of Zero123++'s pipeline."""
PIXEL = Scaling()


class CanvasCodec:
    """Encodes groups of six pictures, each tiled to one picture, and decodes them.

    Args:
        codec: encodes single pictures.
    """

    def __init__(self, codec: PictureCodec) -> None:
        self.codec = codec
        self._scaling = PIXEL if codec.vae is None else LATENT

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> each picture's part of the encoded canvas; differentiable."""
        check_groups(len(rgb))
        canvas = tile(self.codec.preprocess(rgb))
        latents = self.codec.encode_pixels(canvas * self._scaling.pixels)
        return untile((latents - self._scaling.shift) * self._scaling.latents)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse of `encode`, clamped to [0, 1]."""
        check_groups(len(latents))
        canvas = self.codec.decode_to_pixels(tile(latents) / self._scaling.latents + self._scaling.shift)
        return to_rgb(untile(canvas / self._scaling.pixels))
