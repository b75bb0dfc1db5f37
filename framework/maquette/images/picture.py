"""Pictures with alpha, and alpha compositing over a background."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Picture:
    """B pictures of one size with straight alpha: color is not multiplied by alpha.

    Args:
        color: in [0, 1]; meaningless where alpha is 0.
        alpha: coverage of each pixel in [0, 1]; 1 everywhere for photographs.

    Example:
        >>> half = Picture(torch.tensor([1.0, 0.5, 0.0]).view(1, 1, 1, 3), torch.full((1, 1, 1, 1), 0.5))
        >>> half.over(1.0).flatten()
        tensor([1.0000, 0.7500, 0.5000])
    """

    color: Float[Tensor, "B H W 3"]
    alpha: Float[Tensor, "B H W 1"]

    def __post_init__(self) -> None:
        if self.color.shape[3:] != (3,) or self.alpha.shape != (*self.color.shape[:3], 1):
            raise ValueError(
                f"a picture has color [B, H, W, 3] and alpha [B, H, W, 1], not {tuple(self.color.shape)} and "
                f"{tuple(self.alpha.shape)}"
            )

    @staticmethod
    def opaque(color: Float[Tensor, "B H W 3"]) -> Picture:
        """Pictures with alpha 1."""
        return Picture(color, torch.ones_like(color[..., :1]))

    @staticmethod
    def from_rgba(rgba: Float[Tensor, "B H W 4"]) -> Picture:
        """Pictures from straight RGBA, as files store it."""
        return Picture(rgba[..., :3], rgba[..., 3:])

    @staticmethod
    def from_composited(
        rgb: Float[Tensor, "B H W 3"],
        alpha: Float[Tensor, "B H W 1"],
        background: float | Sequence[float] | Tensor,
    ) -> Picture:
        """The inverse of `over` for a known background; color is 0 where alpha is 0.

        Example:
            >>> half = torch.full((1, 1, 1, 1), 0.5)
            >>> Picture.from_composited(torch.tensor([1.0, 0.75, 0.5]).view(1, 1, 1, 3), half, 1.0).color.flatten()
            tensor([1.0000, 0.5000, 0.0000])
        """
        covered = rgb - _like(rgb, background) * (1 - alpha)
        color = torch.where(alpha > 0, covered / torch.where(alpha > 0, alpha, 1), 0)
        return Picture(color.clamp(0, 1), alpha)

    @staticmethod
    def cat(pictures: Sequence[Picture]) -> Picture:
        """Concatenate batches of equal picture size."""
        return Picture(
            torch.cat([picture.color for picture in pictures]), torch.cat([picture.alpha for picture in pictures])
        )

    @property
    def rgba(self) -> Float[Tensor, "B H W 4"]:
        """Color and alpha as four channels."""
        return torch.cat([self.color, self.alpha], dim=-1)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.color.shape[1], self.color.shape[2]

    def over(self, background: float | Sequence[float] | Tensor) -> Float[Tensor, "B H W 3"]:
        """Composite over a background: color alpha + background (1 - alpha).

        Args:
            background: in [0, 1]: a grey, an RGB color, or a tensor that broadcasts to [B, H, W, 3].

        Example:
            >>> nothing = Picture(torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, 1, 1))
            >>> nothing.over((1.0, 0.5, 0.0)).flatten()
            tensor([1.0000, 0.5000, 0.0000])
        """
        return self.color * self.alpha + _like(self.color, background) * (1 - self.alpha)

    def to(self, device: torch.device | str) -> Picture:
        """The same pictures on another device."""
        return self._map(lambda tensor: tensor.to(device))

    def __len__(self) -> int:
        return len(self.color)

    def __getitem__(self, index: slice | Tensor) -> Picture:
        """Some of the pictures."""
        return self._map(lambda tensor: tensor[index])

    def _map(self, change: Callable[[Tensor], Tensor]) -> Picture:
        return Picture(change(self.color), change(self.alpha))


def _like(rgb: Tensor, background: float | Sequence[float] | Tensor) -> Tensor:
    return background if isinstance(background, Tensor) else rgb.new_tensor(background)
