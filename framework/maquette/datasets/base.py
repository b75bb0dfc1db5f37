"""The contract of a data set that a `train` stage draws from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.cameras.directions import relative_pose
from maquette.randomness import Draws


@dataclass(frozen=True)
class CaptionedImages:
    """A batch of images with the text that describes each.

    Args:
        images: [B, H, W, 3] floats in [0, 1].
        captions: B strings.
    """

    images: Float[Tensor, "B H W 3"]
    captions: Sequence[str]


class CaptionedDataset(Protocol):
    """Images with captions, drawn at random by key and held out by split."""

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> CaptionedImages:
        """`size` training images, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> CaptionedImages:
        """`size` images of objects that `batch` never returns."""

    def words(self) -> Sequence[str]:
        """Every word that captions use, for building a tokenizer."""

    def sample_captions(self) -> Sequence[str]:
        """A fixed list of captions for the sample sheet."""


@dataclass(frozen=True)
class PosedPairs:
    """A batch of objects, each seen twice, before the same background.

    Args:
        reference, target: [B, H, W, 3] floats in [0, 1].
        reference_cameras, target_cameras: B each, about the object, whose front is at azimuth 0.
    """

    reference: Float[Tensor, "B H W 3"]
    target: Float[Tensor, "B H W 3"]
    reference_cameras: Cameras
    target_cameras: Cameras

    @property
    def pose(self) -> Float[Tensor, "B 4"]:
        """Pose of the target's camera relative to the reference's (`maquette.cameras.directions.relative_pose`)."""
        return relative_pose(self.reference_cameras, self.target_cameras)


class PairDataset(Protocol):
    """Pairs of views, drawn at random by key and held out by split."""

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        """`size` training pairs, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> PosedPairs:
        """`size` pairs of objects that `batch` never returns."""

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        """A fixed choice for the sample sheet: held-out objects, each with one reference and `targets` other views.

        Pairs of one object stand together: [objects * targets, ...].
        """


@dataclass(frozen=True)
class CaptionedGroups:
    """A batch of objects, each seen by several cameras and described by one text.

    Args:
        images: [G V, H, W, 3] floats in [0, 1], the V views of an object one after the other.
        cameras: G V.
        captions: G strings.
    """

    images: Float[Tensor, "B H W 3"]
    cameras: Cameras
    captions: Sequence[str]


class GroupedDataset(Protocol):
    """Objects seen by several cameras each, drawn at random by key and held out by split."""

    views: int  # of an object

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> CaptionedGroups:
        """`size` training objects, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> CaptionedGroups:
        """`size` objects that `batch` never returns."""

    def sample_captions(self) -> Sequence[str]:
        """A fixed list of captions for the sample sheet."""


@dataclass(frozen=True)
class PicturesWithSixViews:
    """A batch of objects, each as a picture shows it and as six cameras about it do, all before one grey.

    Args:
        reference: [B, H, W, 3] floats in [0, 1].
        views: [6 B, h, w, 3], the six of an object one after the other, in the order of Zero123++.
    """

    reference: Float[Tensor, "B H W 3"]
    views: Float[Tensor, "6*B h w 3"]


class SixViewDataset(Protocol):
    """Pictures with their six views, drawn at random by key and held out by split."""

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> PicturesWithSixViews:
        """`size` training objects, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> PicturesWithSixViews:
        """`size` objects that `batch` never returns."""

    def sample(self, count: int) -> PicturesWithSixViews:
        """A fixed choice of held-out objects for the sample sheet."""


@dataclass(frozen=True)
class DepthsAndNormals:
    """A batch of pictures with what their geometry is.

    Args:
        images: [B, H, W, 3] floats in [0, 1], in front of some background.
        opacity: [B, H, W, 1] the object's coverage in [0, 1]; the rest only holds where it is 1.
        depth: [B, H, W, 1] distances along the ray, larger than 0.
        normal: [B, H, W, 3] of length 1, in the camera's frame: x right, y up, z to the viewer.
    """

    images: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"]


class GeometryDataset(Protocol):
    """Pictures with depth and normals, drawn at random by key and held out by split."""

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> DepthsAndNormals:
        """`size` training pictures, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> DepthsAndNormals:
        """`size` pictures of objects that `batch` never returns."""

    def sample_views(self, count: int) -> DepthsAndNormals:
        """A fixed choice of held-out pictures for the sample sheet."""


class PictureDataset(Protocol):
    """Pictures of one thing, drawn at random by key."""

    def prepare(self, device: torch.device) -> None:
        """Make or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> Float[Tensor, "B H W 3"]:
        """`size` pictures in [0, 1], a function of `draws` alone."""
