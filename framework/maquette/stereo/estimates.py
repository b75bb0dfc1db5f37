"""Kinds of estimates: probabilities of shifts, one shift for each pixel of either view, colours of the right view."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.errors import ConfigError
from maquette.kernels.selection import select
from maquette.stereo.base import Depth3D, Estimate, RightView
from maquette.stereo.warping import fill_holes, sample_shifted, shifts_at_right


@dataclass(frozen=True)
class ShiftProbabilities(Estimate):
    """Probabilities of some shifts at the pixels of the right view.

    Args:
        probabilities: [B, K, h, w], at any size; what is missing to 1 shows nothing.
        shifts: K shifts in fractions of the width.
    """

    probabilities: Float[Tensor, "B K h w"]
    shifts: tuple[float, ...]

    @property
    def values(self) -> Float[Tensor, "B K h w"]:
        return self.probabilities

    def with_values(self, values: Float[Tensor, "N K h w"]) -> ShiftProbabilities:
        return replace(self, probabilities=values)

    def most_probable(self, reach: int = 2) -> RightShifts:
        """The most probable shift of each pixel, as the mean over it and `reach` channels on either side.

        Where shifts of neighbouring channels are nearly as probable, that is a place between them. Near the borders of
        a frame, all shifts that reach beyond it show its edge, and a network is free among them: the least is taken.
        """
        channels = torch.arange(len(self.shifts), device=self.probabilities.device)[:, None, None]
        peak = self.probabilities.argmax(1, keepdim=True)
        near = self.probabilities * ((channels - peak).abs() <= reach)
        mean = torch.einsum("bkhw,k->bhw", near, near.new_tensor(self.shifts)) / near.sum(1).clamp(min=1e-6)
        width = mean.shape[-1]
        beyond = (torch.arange(width, device=mean.device) + 1) / width  # of the left edge, by a column
        return RightShifts(mean.clamp(-beyond.flip(0), beyond)[:, None])

    def right_view(self, left: Float[Tensor, "B H W 3"], depth: Depth3D) -> RightView:
        shifts, width = [depth.shift(value) for value in self.shifts], left.shape[2]
        rgb = select(left.permute(0, 3, 1, 2), self.probabilities, [value * width for value in shifts])
        expected = torch.einsum("bkhw,k->bhw", self.probabilities, self.probabilities.new_tensor(shifts))
        expected = expected / self.probabilities.sum(1).clamp(min=1e-6)
        return RightView(rgb.permute(0, 2, 3, 1).clamp(0, 1), expected[..., None])


@dataclass(frozen=True)
class _PixelShifts(Estimate):
    """One shift for each pixel of a view.

    Args:
        shifts: in fractions of the width [B, 1, h, w], at any size.
    """

    shifts: Float[Tensor, "B 1 h w"]

    @property
    def values(self) -> Float[Tensor, "B 1 h w"]:
        return self.shifts

    def with_values(self, values: Float[Tensor, "N 1 h w"]) -> Self:
        return replace(self, shifts=values)

    def _at_size_of(self, left: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B H W"]:
        return functional.interpolate(self.shifts, left.shape[1:3], mode="bilinear")[:, 0]


class RightShifts(_PixelShifts):
    """One shift for each pixel of the right view, in fractions of the width [B, 1, h, w], at any size."""

    def right_view(self, left: Float[Tensor, "B H W 3"], depth: Depth3D) -> RightView:
        shifts = depth.strength * self._at_size_of(left) + depth.convergence
        return RightView(sample_shifted(left, shifts * left.shape[2]), shifts[..., None])


class LeftShifts(_PixelShifts):
    """Shifts at the pixels of the left view, as depth gives them; the right view is warped, and its holes are filled.

    They are in fractions of the width [B, 1, h, w], at any size.
    """

    def right_view(self, left: Float[Tensor, "B H W 3"], depth: Depth3D) -> RightView:
        columns, shifts = left.shape[2], self._at_size_of(left)
        right = fill_holes(shifts_at_right(depth.strength * shifts * columns + depth.convergence * columns))
        return RightView(sample_shifted(left, right), right[..., None] / columns)


@dataclass(frozen=True)
class RightColors(Estimate):
    """Colours of the right view.

    Args:
        colors: in [0, 1] [B, 3, h, w], at any size.
    """

    colors: Float[Tensor, "B 3 h w"]

    @property
    def values(self) -> Float[Tensor, "B 3 h w"]:
        return self.colors

    def with_values(self, values: Float[Tensor, "N 3 h w"]) -> RightColors:
        return replace(self, colors=values)

    def right_view(self, left: Float[Tensor, "B H W 3"], depth: Depth3D) -> RightView:
        if not depth.is_neutral:
            raise ConfigError(
                "colours that are regressed have no shifts to change", key="strength",
                hint="leave strength at 1 and convergence at 0, or take another stereo part",
            )  # fmt: skip
        rgb = functional.interpolate(self.colors, left.shape[1:3], mode="bilinear")
        return RightView(rgb.permute(0, 2, 3, 1), None)
