"""Conditions of Zero123 for each camera: one token and one picture per contributing reference view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras, orbit_directions
from maquette.cameras.directions import relative_pose
from maquette.priors.base import Conditions
from maquette.priors.zero123.projection import CameraProjection

PoseConvention = Literal["zero123", "stable-zero123"]
"""Meaning of a pose's fourth number: the difference of the distances, or the reference's polar angle in radians."""

NEGLIGIBLE_WEIGHT_RATIO = 0.1  # fraction of the nearest reference's weight, below which a reference is dropped
CLOSEST_DEG = 0.01  # lower limit of the angle to a reference, in its weight 1 / angle


@dataclass(frozen=True)
class ReferenceView:
    """An encoded reference picture.

    Args:
        embedding: CLIP image embedding.
        picture: its latents, unscaled, or its pixels in [-1, 1].
        cameras: its camera, a batch of one.
        weight: relative weight among several references.
    """

    embedding: Float[Tensor, " E"]
    picture: Float[Tensor, "C h w"]
    cameras: Cameras
    weight: float = 1.0


@dataclass(frozen=True)
class ReferencePairs:
    """The conditioning of B pictures: P pairs of a picture and a reference.

    Args:
        owner: index of each pair's picture; the pairs of one picture are consecutive.
        weight: of the pair's prediction in the mean for its picture; they sum to 1 per picture.
        token: context of the UNet's cross-attention.
        picture: reference that is concatenated to the noisy picture.
    """

    owner: Int[Tensor, " P"]
    weight: Float[Tensor, " P"]
    token: Float[Tensor, "P 1 D"]
    picture: Float[Tensor, "P C h w"]


class ReferenceViews(Conditions):
    """Conditions on reference pictures and relative cameras; "unconditional" is zeros for token and picture.

    With several references, the prediction is the weighted mean over those nearest to the camera. Scores are linear in
    the predictions, so this equals the mean of the guided predictions of the source.

    Source: Zero-1-to-3 (Liu et al. 2023, arXiv 2303.11328), sampling in gradio_new.py of its code; several references:
    guidance/zero123_utils.py of stable-dreamfusion.

    Args:
        views: the references.
        projection: embedding and pose -> token.
        pose: convention of the pose's fourth number.
    """

    def __init__(self, views: Sequence[ReferenceView], projection: CameraProjection, pose: PoseConvention) -> None:
        self.views, self.projection, self.pose = views, projection, pose
        self.embeddings = torch.stack([view.embedding for view in views])
        self.pictures = torch.stack([view.picture for view in views])

    def at(self, cameras: Cameras) -> dict[str, ReferencePairs]:
        device = self.embeddings.device
        cameras = cameras.to(device)
        weights = self._reference_weights(cameras)
        owner, which = weights.nonzero(as_tuple=True)
        poses = torch.stack([self._pose(view.cameras.to(device), cameras) for view in self.views])  # [K, B, 4]
        token = self.projection(self.embeddings[which], poses[which, owner])
        positive = ReferencePairs(owner, weights[owner, which], token, self.pictures[which])
        nothing = _nothing(len(cameras), token, self.pictures)
        return {"positive": positive, "unconditional": nothing, "empty": nothing}

    def _pose(self, reference: Cameras, cameras: Cameras) -> Float[Tensor, "B 4"]:
        pose = relative_pose(reference, cameras)
        if self.pose == "stable-zero123":
            pose = torch.cat([pose[:, :3], torch.deg2rad(90 - reference.elevation_deg).expand(len(pose), 1)], dim=1)
        return pose

    def _reference_weights(self, cameras: Cameras) -> Float[Tensor, "B K"]:
        """Weight of each reference in the prediction for each camera; rows sum to 1."""
        if len(self.views) == 1:
            return torch.ones(len(cameras), 1, device=cameras.c2w.device)
        references = Cameras.cat([view.cameras.to(cameras.c2w.device) for view in self.views])
        cosine = (_directions(cameras) @ _directions(references).T).clamp(-1, 1)
        near = 1 / torch.rad2deg(torch.arccos(cosine)).clamp(min=CLOSEST_DEG)
        weights = torch.tensor([view.weight for view in self.views]).to(near)
        nearest = _drop_negligible(weights * _drop_negligible(near))
        return (nearest / nearest.sum(dim=1, keepdim=True)).float()


def _drop_negligible(weights: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    relative = weights / weights.amax(dim=1, keepdim=True)
    return torch.where(relative < NEGLIGIBLE_WEIGHT_RATIO, 0.0, relative)


def _directions(cameras: Cameras) -> Float[Tensor, "B 3"]:
    return orbit_directions(cameras.azimuth_deg.double(), cameras.elevation_deg.double())


def _nothing(count: int, token: Float[Tensor, "P 1 D"], pictures: Float[Tensor, "K C h w"]) -> ReferencePairs:
    device: Any = token.device
    return ReferencePairs(
        torch.arange(count, device=device),
        torch.ones(count, device=device),
        token.new_zeros(count, *token.shape[1:]),
        pictures.new_zeros(count, *pictures.shape[1:]),
    )
