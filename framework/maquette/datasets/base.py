"""Contracts and batches of the data sets that learners are trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.cameras.directions import relative_pose
from maquette.landscapes.views import PoseRange
from maquette.landscapes.world import Landscape
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
    """Captioned images; batches are functions of random draws, held-out objects are a split of their own."""

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

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
    """A batch of objects, two views of each, over the same background.

    Args:
        reference, target: [B, H, W, 3] floats in [0, 1].
        reference_cameras, target_cameras: B cameras each, orbiting the object; its front is at azimuth 0.
    """

    reference: Float[Tensor, "B H W 3"]
    target: Float[Tensor, "B H W 3"]
    reference_cameras: Cameras
    target_cameras: Cameras

    @property
    def pose(self) -> Float[Tensor, "B 4"]:
        """Pose of the target cameras relative to the references (`maquette.cameras.directions.relative_pose`)."""
        return relative_pose(self.reference_cameras, self.target_cameras)


class PairDataset(Protocol):
    """Pairs of views; batches are functions of random draws, held-out objects are a split of their own."""

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        """`size` training pairs, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> PosedPairs:
        """`size` pairs of objects that `batch` never returns."""

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        """A fixed selection for the sample sheet: held-out objects, each with one reference and `targets` other views.

        Pairs of one object are consecutive: [objects * targets, ...].
        """


class JointPairDataset(PairDataset, Protocol):
    """Pairs of views in groups: a reference and several views of an object.

    Attributes:
        views: views of each object.
    """

    views: int

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        """`size` training objects: `size * views` pairs, those of an object one after the other."""

    def held_out(self, draws: Draws, size: int) -> PosedPairs:
        """`size` objects that `batch` never returns."""


@dataclass(frozen=True)
class CaptionedGroups:
    """A batch of G objects, each with V views and one caption.

    Args:
        images: [G V, H, W, 3] floats in [0, 1], the V views of an object one after the other.
        cameras: G V cameras.
        captions: G strings.
    """

    images: Float[Tensor, "B H W 3"]
    cameras: Cameras
    captions: Sequence[str]


class GroupedDataset(Protocol):
    """Captioned objects with several views each; batches are functions of random draws, held-out objects a split."""

    views: int  # views per object

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> CaptionedGroups:
        """`size` training objects, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> CaptionedGroups:
        """`size` objects that `batch` never returns."""

    def sample_captions(self) -> Sequence[str]:
        """A fixed list of captions for the sample sheet."""


@dataclass(frozen=True)
class PicturesWithSixViews:
    """A batch of B objects: a reference image and the six views of Zero123++ of each, over one grey.

    Args:
        reference: [B, H, W, 3] floats in [0, 1].
        views: [6 B, h, w, 3], the six views of an object one after the other, in the order of Zero123++.
    """

    reference: Float[Tensor, "B H W 3"]
    views: Float[Tensor, "6*B h w 3"]


class SixViewDataset(Protocol):
    """References with their six views; batches are functions of random draws, held-out objects a split."""

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> PicturesWithSixViews:
        """`size` training objects, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> PicturesWithSixViews:
        """`size` objects that `batch` never returns."""

    def sample(self, count: int) -> PicturesWithSixViews:
        """A fixed selection of held-out objects for the sample sheet."""


@dataclass(frozen=True)
class DepthsAndNormals:
    """A batch of images with their depth and normals.

    Args:
        images: [B, H, W, 3] floats in [0, 1], over some background.
        opacity: [B, H, W, 1] the object's coverage in [0, 1]; depth and normal are valid where it is 1.
        depth: [B, H, W, 1] distances along the ray, larger than 0.
        normal: [B, H, W, 3] of length 1, in the camera's frame: x right, y up, z to the viewer.
    """

    images: Float[Tensor, "B H W 3"]
    opacity: Float[Tensor, "B H W 1"]
    depth: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"]


class GeometryDataset(Protocol):
    """Images with depth and normals; batches are functions of random draws, held-out objects a split."""

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> DepthsAndNormals:
        """`size` training images, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> DepthsAndNormals:
        """`size` images of objects that `batch` never returns."""

    def sample_views(self, count: int) -> DepthsAndNormals:
        """A fixed selection of held-out images for the sample sheet."""


@dataclass(frozen=True)
class ViewsWithDistances:
    """A batch of B objects, V views of each, with signed distances on a grid.

    Args:
        images: [B V, H, W, 3] in [0, 1], over some background; the V views of an object one after the other.
        opacity: [B V, H, W, 1] the object's coverage in [0, 1].
        cameras: B V cameras.
        distances: [B, N, N, N] at the centres of the cells of the data set's cube, x first; in scene units, negative
            inside, truncated at the side of a cell.
    """

    images: Float[Tensor, "P H W 3"]
    opacity: Float[Tensor, "P H W 1"]
    cameras: Cameras
    distances: Float[Tensor, "B N N N"]


class VolumeDataset(Protocol):
    """Posed views of objects with their volume; batches are functions of random draws, held-out objects a split.

    Attributes:
        bound: half side of the cube that the grid fills, scene units.
        resolution: cells N along a side of the cube.
        view_counts: numbers of views that objects come with.
    """

    bound: float
    resolution: int
    view_counts: Sequence[int]

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> ViewsWithDistances:
        """`size` training objects with one number of views, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int, views: int, perturbed: bool = False) -> ViewsWithDistances:
        """`size` objects that `batch` never returns, with `views` views each; perturbed: as training pictures are."""

    def sample_objects(self, count: int, views: int) -> ViewsWithDistances:
        """A fixed selection of held-out objects for the sample sheet."""


SurfaceAt = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Points [n, 3] -> exact signed distances [n], scene units, negative inside, and sRGB of the nearest surface [n, 3]."""


@dataclass(frozen=True)
class ViewsWithSurfaces(ViewsWithDistances):
    """A batch of B objects with their exact surfaces; the last view of each is the picture that it is made from.

    Args:
        surfaces: one function of points for each object, in the frame of its cameras.
    """

    surfaces: Sequence[SurfaceAt]


class SurfaceDataset(VolumeDataset, Protocol):
    """A data set of volumes that knows the exact surfaces of its objects."""

    def batch(self, draws: Draws, size: int) -> ViewsWithSurfaces:
        """`size` training objects with one number of views, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int, views: int, perturbed: bool = False) -> ViewsWithSurfaces:
        """`size` objects that `batch` never returns, with `views` views each; perturbed: as training pictures are."""

    def sample_objects(self, count: int, views: int) -> ViewsWithSurfaces:
        """A fixed selection of held-out objects for the sample sheet."""


@dataclass(frozen=True)
class StereoPairs:
    """A batch of left and right views, in colours and, where it is known, with their true shifts.

    A shift j says that content of the right view at column x stands in the left view at column x - j.

    Args:
        left, right: [B, H, W, 3] in [0, 1].
        left_shift, right_shift: true j at the pixels of each view, in pixels [B, H, W, 1]; None: not known.
        occluded: [B, H, W, 1] 1 where the left view does not show what the right one does; None: not known.
    """

    left: Float[Tensor, "B H W 3"]
    right: Float[Tensor, "B H W 3"]
    left_shift: Float[Tensor, "B H W 1"] | None = None
    right_shift: Float[Tensor, "B H W 1"] | None = None
    occluded: Float[Tensor, "B H W 1"] | None = None


class StereoDataset(Protocol):
    """Left and right views; batches are functions of random draws, held-out clips are a split of their own.

    Attributes:
        frame: rows and columns of the views.
    """

    frame: tuple[int, int]

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> StereoPairs:
        """`size` training pairs, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> StereoPairs:
        """`size` pairs of clips that `batch` never returns."""

    def sample_pairs(self, count: int) -> StereoPairs:
        """A fixed selection of held-out pairs for the sample sheet."""


@dataclass(frozen=True)
class LabelledPictures:
    """A batch of photographs with their label maps, and nothing of where they were taken.

    Args:
        images: [B, H, W, 3] floats in [0, 1].
        labels: [B, H, W] index of a label at each pixel.
    """

    images: Float[Tensor, "B H W 3"]
    labels: Int[Tensor, "B H W"]


@dataclass(frozen=True)
class DescribedPictures:
    """A batch of photographs and what they show, as numbers.

    Args:
        images: [B, H, W, 3] floats in [0, 1].
        fractions: [B, L] fraction of the pixels of each label.
        numbers: [B, K] further facts, such as the height of the sun, each with mean 0 and deviation 1, roughly.
    """

    images: Float[Tensor, "B H W 3"]
    fractions: Float[Tensor, "B L"]
    numbers: Float[Tensor, "B K"]


class DescribedDataset(Protocol):
    """Photographs with what they show; batches are functions of random draws, held-out ones a split of their own.

    Attributes:
        numbers: names of the further facts.
    """

    numbers: tuple[str, ...]

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> DescribedPictures:
        """`size` training photographs, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> DescribedPictures:
        """`size` photographs of places that `batch` never returns."""


class LabelledDataset(Protocol):
    """Photographs with label maps; batches are functions of random draws, held-out ones a split of their own."""

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> LabelledPictures:
        """`size` training photographs, a function of `draws` alone."""

    def held_out(self, draws: Draws, size: int) -> LabelledPictures:
        """`size` photographs of places that `batch` never returns."""

    def sample(self, count: int) -> LabelledPictures:
        """A fixed selection of held-out photographs for the sample sheet."""


class WorldDataset(LabelledDataset, Protocol):
    """Photographs with label maps, and worlds that share no place with them, over which cameras may be drawn.

    Attributes:
        size: side of a photograph in pixels.
        poses: where cameras over the worlds stand and look.
        reach: cells at which their view ends.
    """

    size: int
    poses: PoseRange
    reach: float

    def training_worlds(self) -> list[Landscape]:
        """Worlds that a generator is trained on; none of them was photographed."""

    def held_out_worlds(self) -> list[Landscape]:
        """Worlds that it is measured on, which are others again."""


class PictureDataset(Protocol):
    """Images of one object; batches are functions of random draws."""

    def prepare(self, device: torch.device) -> None:
        """Create or load the data; called once before the first batch."""

    def batch(self, draws: Draws, size: int) -> Float[Tensor, "B H W 3"]:
        """`size` images in [0, 1], a function of `draws` alone."""
