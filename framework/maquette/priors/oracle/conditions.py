"""Conditions of the oracle beside text alone: cameras, and a reference picture with relative cameras."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.priors.base import Conditions
from maquette.priors.oracle.odds import Odds
from maquette.priors.oracle.places import CameraKernel, Standpoints
from maquette.priors.text.conditions import TEXT_CONDITIONS

NEGLIGIBLE = 1e-6  # probability below which a match of the reference is left out


class CameraConditions(Conditions):
    """Objects by text, views by camera: view words have nothing to add, so all that have any are "positive"."""

    def __init__(
        self,
        odds: Odds,
        kernel: CameraKernel,
        positive: Float[Tensor, " N"],
        negative: Float[Tensor, " N"],
        empty: Float[Tensor, " N"],
    ) -> None:
        self.odds, self.kernel, self.positive, self.negative, self.empty = odds, kernel, positive, negative, empty

    def at(self, cameras: Cameras) -> dict[str, Any]:
        places = Standpoints.of(cameras, self.odds.device)
        wanted, unconditional, empty = (
            self.odds.seen_from(prior, places, self.kernel) for prior in (self.positive, self.negative, self.empty)
        )
        return {**dict.fromkeys(TEXT_CONDITIONS, wanted), "unconditional": unconditional, "empty": empty}


class ReferenceConditions(Conditions):
    """The object in a picture, from a camera relative to that picture's; "unconditional" and "empty" are told nothing.

    Args:
        odds, kernel: the set, and how exact relative cameras are.
        matches: how likely the reference is each picture [N].
        start: where it was taken from, in whatever frame the cameras are in.
        empty: the odds when nothing is told.
    """

    def __init__(
        self, odds: Odds, kernel: CameraKernel, matches: Float[Tensor, " N"], start: Cameras, empty: Float[Tensor, " N"]
    ) -> None:
        self.odds, self.kernel, self.empty = odds, kernel, empty
        self.start = Standpoints.of(start, odds.device)
        self.found = (matches > NEGLIGIBLE).nonzero().flatten()
        self.shares = matches[self.found] / matches[self.found].sum()

    def at(self, cameras: Cameras) -> dict[str, Any]:
        odds, found = self.odds, self.found
        here = Standpoints(
            *(getattr(odds.places, name)[found] for name in ("azimuth_deg", "elevation_deg", "distance"))
        )
        places = here.moved(self.start, Standpoints.of(cameras, odds.device))
        same = (odds.owner == odds.owner[found, None]).double()  # [M, N]
        each = odds.seen_from(same.repeat(len(cameras), 1), places, self.kernel)  # [B * M, N]
        each = each / each.sum(dim=1, keepdim=True)
        wanted = torch.einsum("m,bmn->bn", self.shares, each.view(len(cameras), len(found), -1))
        empty = self.empty.expand_as(wanted)
        return {**dict.fromkeys(TEXT_CONDITIONS, wanted), "unconditional": empty, "empty": empty}
