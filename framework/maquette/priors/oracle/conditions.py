"""Conditions of the oracle on cameras: with a text, or with a reference picture and relative cameras."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.priors.base import Conditions
from maquette.priors.oracle.camera_kernel import CameraKernel, OrbitPositions
from maquette.priors.oracle.probabilities import PictureProbabilities
from maquette.priors.text.conditions import TEXT_CONDITIONS

NEGLIGIBLE_MATCH_PROBABILITY = 1e-6  # probability below which a match of the reference is left out


class CameraConditions(Conditions):
    """The object by text and the view by camera; view prompts add nothing, so all their conditions are "positive".

    Args:
        probabilities: of the set's pictures.
        kernel: precision of the camera.
        positive, negative, empty: p(picture | text), for the prompt, the negative prompt and the empty text.
    """

    def __init__(
        self,
        probabilities: PictureProbabilities,
        kernel: CameraKernel,
        positive: Float[Tensor, " N"],
        negative: Float[Tensor, " N"],
        empty: Float[Tensor, " N"],
    ) -> None:
        self.probabilities, self.kernel = probabilities, kernel
        self.positive, self.negative, self.empty = positive, negative, empty

    def at(self, cameras: Cameras) -> dict[str, Any]:
        positions = OrbitPositions.of(cameras, self.probabilities.device)
        positive, unconditional, empty = (
            self.probabilities.from_cameras(probability, positions, self.kernel)
            for probability in (self.positive, self.negative, self.empty)
        )
        return {**dict.fromkeys(TEXT_CONDITIONS, positive), "unconditional": unconditional, "empty": empty}


class ReferenceConditions(Conditions):
    """The object in a reference picture, from cameras relative to that of the reference.

    "unconditional" and "empty" have neither the reference nor the camera.

    Args:
        probabilities: of the set's pictures.
        kernel: precision of the relative camera.
        matches: p(picture | reference).
        reference_camera: camera of the reference, in the frame of the cameras given to `at`.
        empty: p(picture), unconditional.
    """

    def __init__(
        self,
        probabilities: PictureProbabilities,
        kernel: CameraKernel,
        matches: Float[Tensor, " N"],
        reference_camera: Cameras,
        empty: Float[Tensor, " N"],
    ) -> None:
        self.probabilities, self.kernel, self.empty = probabilities, kernel, empty
        self.reference_camera = OrbitPositions.of(reference_camera, probabilities.device)
        self.matching = (matches > NEGLIGIBLE_MATCH_PROBABILITY).nonzero().flatten()
        self.match_weights = matches[self.matching] / matches[self.matching].sum()

    def at(self, cameras: Cameras) -> dict[str, Any]:
        probabilities, matching = self.probabilities, self.matching
        matching_positions = OrbitPositions(
            *(getattr(probabilities.positions, name)[matching] for name in ("azimuth_deg", "elevation_deg", "distance"))
        )
        positions = matching_positions.shifted(self.reference_camera, OrbitPositions.of(cameras, probabilities.device))
        same_object = (probabilities.owner == probabilities.owner[matching, None]).double()  # [M, N]
        per_match = probabilities.from_cameras(same_object.repeat(len(cameras), 1), positions, self.kernel)
        per_match = per_match / per_match.sum(dim=1, keepdim=True)  # [B * M, N]
        positive = torch.einsum("m,bmn->bn", self.match_weights, per_match.view(len(cameras), len(matching), -1))
        empty = self.empty.expand_as(positive)
        return {**dict.fromkeys(TEXT_CONDITIONS, positive), "unconditional": empty, "empty": empty}
