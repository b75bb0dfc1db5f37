"""What Zero123 is told for each camera: one token and one picture per reference view that counts."""

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

Pose = Literal["zero123", "stable-zero123"]
"""What the fourth number of a pose is: the difference of the distances, or the reference's polar angle in radians."""

NEGLIGIBLE = 0.1  # share of the weight of the nearest reference, below which one is left out
CLOSEST_DEG = 0.01  # angle within which references count the same


@dataclass(frozen=True)
class ReferenceView:
    """A reference as the model knows it.

    Args:
        embedding: of the picture by CLIP.
        picture: its latents, unscaled, or its pixels in [-1, 1].
        cameras: the one that took it.
        weight: how much it counts.
    """

    embedding: Float[Tensor, " E"]
    picture: Float[Tensor, "C h w"]
    cameras: Cameras
    weight: float = 1.0


@dataclass(frozen=True)
class ReferencePairs:
    """The conditioning of B pictures: P pairs of a picture and a reference.

    Args:
        owner: which picture each pair is for; all pairs of one picture follow each other.
        share: how much of that picture's prediction it makes; 1 in sum.
        token: context of the UNet's attention.
        picture: joined to the noisy one.
    """

    owner: Int[Tensor, " P"]
    share: Float[Tensor, " P"]
    token: Float[Tensor, "P 1 D"]
    picture: Float[Tensor, "P C h w"]


class ReferenceViews(Conditions):
    """The object in some pictures, seen from cameras relative to theirs. Unconditional are zeros for token and picture.

    Of several references, those count that lie nearest to the camera, by their predictions' weighted mean: the score of
    each is linear in it, so that this is the mean of the guided predictions, as in the source.

    Source: Zero-1-to-3 (Liu et al. 2023, arXiv 2303.11328), sampling in gradio_new.py of its code; several references:
    guidance/zero123_utils.py of stable-dreamfusion.

    Args:
        views: the references.
        projection: embedding and pose -> token.
        pose: convention of the fourth number.
    """

    def __init__(self, views: Sequence[ReferenceView], projection: CameraProjection, pose: Pose) -> None:
        self.views, self.projection, self.pose = views, projection, pose
        self.embeddings = torch.stack([view.embedding for view in views])
        self.pictures = torch.stack([view.picture for view in views])

    def at(self, cameras: Cameras) -> dict[str, ReferencePairs]:
        device = self.embeddings.device
        cameras = cameras.to(device)
        shares = self._shares(cameras)
        owner, which = shares.nonzero(as_tuple=True)
        poses = torch.stack([self._pose(view.cameras.to(device), cameras) for view in self.views])  # [K, B, 4]
        token = self.projection(self.embeddings[which], poses[which, owner])
        wanted = ReferencePairs(owner, shares[owner, which], token, self.pictures[which])
        nothing = _nothing(len(cameras), token, self.pictures)
        return {"positive": wanted, "unconditional": nothing, "empty": nothing}

    def _pose(self, reference: Cameras, cameras: Cameras) -> Float[Tensor, "B 4"]:
        pose = relative_pose(reference, cameras)
        if self.pose == "stable-zero123":
            pose = torch.cat([pose[:, :3], torch.deg2rad(90 - reference.elevation_deg).expand(len(pose), 1)], dim=1)
        return pose

    def _shares(self, cameras: Cameras) -> Float[Tensor, "B K"]:
        """How much of each picture's prediction each reference makes."""
        if len(self.views) == 1:
            return torch.ones(len(cameras), 1, device=cameras.c2w.device)
        references = Cameras.cat([view.cameras.to(cameras.c2w.device) for view in self.views])
        cosine = (_directions(cameras) @ _directions(references).T).clamp(-1, 1)
        near = 1 / torch.rad2deg(torch.arccos(cosine)).clamp(min=CLOSEST_DEG)
        weights = torch.tensor([view.weight for view in self.views]).to(near)
        kept = _drop_negligible(weights * _drop_negligible(near))
        return (kept / kept.sum(dim=1, keepdim=True)).float()


def _drop_negligible(weights: Float[Tensor, "B K"]) -> Float[Tensor, "B K"]:
    relative = weights / weights.amax(dim=1, keepdim=True)
    return torch.where(relative < NEGLIGIBLE, 0.0, relative)


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
