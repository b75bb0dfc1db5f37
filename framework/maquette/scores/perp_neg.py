"""Guidance towards a view, and away from the views beside it as far as these differ from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.cameras.directions import view_shares
from maquette.config.capabilities import Capabilities
from maquette.registry import register
from maquette.scores.base import Base, Score, noise_prediction_from

TINY = 1e-6  # squared length of a positive direction below which it counts as none; the official code's


@dataclass(frozen=True)
class Decay:
    """f(r) = a exp(-b r) + c for r up to a limit, 0 beyond; r is a share of a view, in [0, 1]."""

    a: float
    b: float
    c: float = 0.0
    limit: float = 1.0

    def __call__(self, r: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
        return torch.where(r <= self.limit, self.a * torch.exp(-self.b * r) + self.c, 0)


@register("score", "perp-neg")
class PerpNeg(Score):
    """e_u + s (d + sum_i w_i perp(d_i, d)), perp(d_i, d) = d_i - <d_i, d> / |d|^2 d, per picture.

    d = e_interpolated - e_u is the direction of what is wanted, d_i = e_i - e_u those of the negatives "front" and
    "side". Only what of a negative is perpendicular to d is taken off, so that what the two have in common, the object,
    stays. Their weights w_i depend on the azimuth; with r the share of the front view between front and side, and of
    the side view between side and back:

        front to side: w_front = -front_side(r), w_side = -side_front(1 - r)
        side to back:  w_front = -front_back(r), w_side = -side_back(r)

    The defaults push a pure side view from the front by 1.57 and a pure back view by 1.97, continuously. The other
    constants in use, with negative weight w = -2 (0 to -4): front_side {a: 2, b: 2, limit: 0.8}, side_front {a: 2,
    b: 10, limit: 0.8}, front_back {a: 2, b: 0}, side_back {a: 1, b: 10, limit: 0.8}.

    Source: Armandpour et al. 2023 (arXiv 2304.04968), eq. 9 and sec. 4; default constants: threestudio
    (prompt_processors/base.py, perp_neg_f_*); the others: stable-dreamfusion (main.py, nerf/utils.py).
    """

    @dataclass(frozen=True)
    class Config:
        scale: float = 7.5  # s
        base: Base = "unconditional"  # from where s counts, as in cfg: from the text it is one less
        front_side: Decay = Decay(4.0, 0.5, -2.426)  # f_fs, of the front share
        side_front: Decay = Decay(4.0, 0.5, -2.426)  # f_sf, of the side share
        front_back: Decay = Decay(1.0, 0.5, 0.967)  # f_fsb, of the side share
        side_back: Decay = Decay(1.0, 0.5, -0.606)  # f_sb, of the side share

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        return noise_prediction_from("interpolated", "unconditional", "front", "side")

    def weights(self, cameras: Cameras) -> Float[Tensor, "B 2"]:
        """Weights, at most 0, of the negatives "front" and "side" for each camera."""
        c, shares = self.config, view_shares(cameras.azimuth_deg)
        ahead = shares.front > 0  # between front and side
        front = torch.where(ahead, c.front_side(shares.front), c.front_back(shares.side))
        side = torch.where(ahead, c.side_front(shares.side), c.side_back(shares.side))
        return -torch.stack([front, side], dim=1).clamp(min=0)

    def combine_at(
        self,
        predictions: Mapping[str, Float[Tensor, "B C h w"]],
        share: Float[Tensor, "B 1 1 1"],
        cameras: Cameras,
    ) -> Float[Tensor, "B C h w"]:
        unconditional = predictions["unconditional"]
        wanted = predictions["interpolated"] - unconditional
        negatives = [predictions[name] - unconditional for name in ("front", "side")]
        scale = self.config.scale + 1 if self.config.base == "text" else self.config.scale
        return unconditional + scale * set_off(wanted, negatives, self.weights(cameras).to(wanted))


def set_off(
    wanted: Float[Tensor, "B C h w"], negatives: Sequence[Float[Tensor, "B C h w"]], weights: Float[Tensor, "B K"]
) -> Float[Tensor, "B C h w"]:
    """d + sum_i w_i perp(d_i, d).

    Args:
        wanted: d.
        negatives: K directions d_i.
        weights: w_i, negative to move away from d_i.

    Example:
        >>> right, up = torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[3.0, 1.0]]]])
        >>> set_off(right, [up], torch.tensor([[-0.5]]))
        tensor([[[[ 1.0000, -0.5000]]]])
    """
    result = wanted
    for i, negative in enumerate(negatives):
        result = result + weights[:, i, None, None, None] * perpendicular(negative, wanted)
    return result


def perpendicular(direction: Float[Tensor, "B C h w"], to: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
    """What remains of each picture's `direction` without its part along `to`; all of it where `to` is nothing."""
    overlap = (direction * to).sum(dim=(1, 2, 3), keepdim=True)
    return direction - overlap / to.square().sum(dim=(1, 2, 3), keepdim=True).clamp(min=TINY) * to
