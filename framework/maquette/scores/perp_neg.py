"""Perp-Neg: guidance towards a view, and away from the perpendicular part of the neighbouring views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Fraction
from maquette.cameras.base import Cameras
from maquette.cameras.directions import view_weights
from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Base, Score, noise_prediction_from

SMALLEST_SQUARED_LENGTH = 1e-6  # lower limit of |d|^2 in the projection; from the official code


@dataclass(frozen=True)
class Decay:
    """f(r) = a exp(-b r) + c for r up to a limit, 0 beyond; r is the weight of a view, in [0, 1]."""

    a: float
    b: float
    c: float = 0.0
    limit: Fraction = 1.0

    def __call__(self, r: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        return torch.where(r <= self.limit, self.a * torch.exp(-self.b * r) + self.c, 0)


@register("score", "perp-neg")
class PerpNeg(Score):
    """e_u + s (d + sum_i w_i perp(d_i, d)), perp(d_i, d) = d_i - <d_i, d> / |d|^2 d, per picture.

    d = e_interpolated - e_u is the positive direction, d_i = e_i - e_u are those of the negatives "front" and "side".
    Only the part of a negative perpendicular to d is subtracted, so that the object, which they share, is kept. The
    weights w_i depend on the azimuth; with r the `view_weights` of the front view between front and side, and of the
    side view between side and back:

        front to side: w_front = -front_side(r), w_side = -side_front(1 - r)
        side to back:  w_front = -front_back(r), w_side = -side_back(r)

    The defaults give a pure side view w_front = -1.57 and a pure back view -1.97, continuous in between. Other
    constants in use, with negative weight w = -2 (0 to -4): front_side {a: 2, b: 2, limit: 0.8}, side_front {a: 2,
    b: 10, limit: 0.8}, front_back {a: 2, b: 0}, side_back {a: 1, b: 10, limit: 0.8}.

    Source: Armandpour et al. 2023 (arXiv 2304.04968), eq. 9 and sec. 4; default constants: threestudio
    (prompt_processors/base.py, perp_neg_f_*); the others: stable-dreamfusion (main.py, nerf/utils.py).
    """

    @dataclass(frozen=True)
    class Config:
        scale: float = 7.5  # s
        base: Base = "unconditional"  # convention of the scale, as in cfg
        front_side: Decay = Decay(4.0, 0.5, -2.426)  # f_fs, of the front weight
        side_front: Decay = Decay(4.0, 0.5, -2.426)  # f_sf, of the side weight
        front_back: Decay = Decay(1.0, 0.5, 0.967)  # f_fsb, of the side weight
        side_back: Decay = Decay(1.0, 0.5, -0.606)  # f_sb, of the side weight

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return noise_prediction_from("interpolated", "unconditional", "front", "side")

    def weights(self, cameras: Cameras) -> Float[Tensor, "B 2"]:
        """Weights, at most 0, of the negatives "front" and "side" for each camera."""
        c, weights_by_view = self.config, view_weights(cameras.azimuth_deg)
        in_front = weights_by_view.front > 0  # between front and side
        front = torch.where(in_front, c.front_side(weights_by_view.front), c.front_back(weights_by_view.side))
        side = torch.where(in_front, c.side_front(weights_by_view.side), c.side_back(weights_by_view.side))
        return -torch.stack([front, side], dim=1).clamp(min=0)

    def combine_at(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        fraction: Float[Tensor, "B 1 1 1"],
        cameras: Cameras,
    ) -> Float[Tensor, "B C h w"]:
        unconditional = predictions["unconditional"]
        positive = predictions["interpolated"] - unconditional
        negatives = [predictions[name] - unconditional for name in ("front", "side")]
        scale = self.config.scale + 1 if self.config.base == "text" else self.config.scale
        return unconditional + scale * add_perpendicular(positive, negatives, self.weights(cameras).to(positive))


def add_perpendicular(
    positive: Float[Tensor, "B C h w"], negatives: Sequence[Float[Tensor, "B C h w"]], weights: Float[Tensor, "B K"]
) -> Float[Tensor, "B C h w"]:
    """d + sum_i w_i perp(d_i, d).

    Args:
        positive: d.
        negatives: K directions d_i.
        weights: w_i; negative values move away from d_i.

    Example:
        >>> right, up = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[3.0, 1.0]]]])
        >>> add_perpendicular(right, [up], torch.tensor([[-0.5]]))
        tensor([[[[ 1.0000, -0.5000]]]])
    """
    result = positive
    for i, negative in enumerate(negatives):
        result = result + weights[:, i, None, None, None] * perpendicular(negative, positive)
    return result


def perpendicular(direction: Float[Tensor, "B C h w"], to: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    """The part of each picture's `direction` perpendicular to `to`; all of `direction` if `to` is zero."""
    overlap = (direction * to).sum(dim=(1, 2, 3), keepdim=True)
    return direction - overlap / to.square().sum(dim=(1, 2, 3), keepdim=True).clamp(min=SMALLEST_SQUARED_LENGTH) * to
