"""Area resampling and cropping of pictures, and rectification of pinhole cameras to a centred principal point."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.images.picture import Picture

LEAST_TANGENT = 1e-5  # of half an angle of view; more than its inverse is as senseless
NEARLY_ONE_SIZE = 0.9  # fraction of every picture that a crop to their least rows and columns leaves of each side


@dataclass(frozen=True)
class Pinhole:
    """A camera without distortion; all in pixels, the picture's upper left corner is (0, 0).

    Args:
        focal_x, focal_y: focal lengths.
        center_x, center_y: principal point, right and down.
        width, height: of the picture.
    """

    focal_x: float
    focal_y: float
    center_x: float
    center_y: float
    width: int
    height: int

    @staticmethod
    def centred(focal: float, size: tuple[int, int]) -> Pinhole:
        """Square pixels and the principal point in the middle; size is (width, height)."""
        return Pinhole(focal, focal, size[0] / 2, size[1] / 2, *size)


class CentredExtent(NamedTuple):
    """What lies about a principal point: tangents of half the angles of view, and the pixels of a tangent of 1."""

    half_x: float
    half_y: float
    focal: float

    @property
    def rows(self) -> float:
        """Rows of square pixels that are no finer than the picture's."""
        return 2 * self.half_y * self.focal

    @property
    def columns(self) -> float:
        """Columns of such pixels."""
        return 2 * self.half_x * self.focal


class CommonView(NamedTuple):
    """One size for the pictures of several cameras.

    Attributes:
        rows, columns: of every picture.
        focals: focal length in pixels of each camera at that size.
        remaining: least fraction of an extent's width or height that is within its view.
    """

    rows: int
    columns: int
    focals: tuple[float, ...]
    remaining: float


def centred_extent(lens: Pinhole) -> CentredExtent:
    """The largest rectangle about the principal point that lies within the picture, in square pixels.

    Its focal length in pixels is the smaller of the two, so that nothing is enlarged.

    Raises:
        ValueError: the lens leaves nothing of the picture.
    """
    if (
        not min(lens.focal_x, lens.focal_y) > 0
        or not 0 < lens.center_x < lens.width
        or not 0 < lens.center_y < lens.height
    ):
        raise ValueError(f"no picture of {lens.width} x {lens.height} pixels has this {lens}")
    half_x = min(lens.center_x, lens.width - lens.center_x) / lens.focal_x
    half_y = min(lens.center_y, lens.height - lens.center_y) / lens.focal_y
    extent = CentredExtent(half_x, half_y, min(lens.focal_x, lens.focal_y))
    narrow, wide = min(half_x, half_y) < LEAST_TANGENT, not max(half_x, half_y) < 1 / LEAST_TANGENT
    if narrow or wide or min(whole_pixels(extent.rows), whole_pixels(extent.columns)) < 1:
        raise ValueError(f"this {lens} leaves nothing of a picture of {lens.width} x {lens.height} pixels")
    return extent


def common_view(extents: Sequence[CentredExtent], size: int | None) -> CommonView:
    """The size that pictures of several extents are brought to.

    Extents of nearly one size are cropped to the least rows and columns, at their own focal lengths. Others are
    scaled and cropped to one shape, the geometric mean of the narrowest and the widest.

    Args:
        extents: one for each camera.
        size: rows of the result; None keeps the pixels' size where the extents are nearly of one size, and else takes
            as many rows as no picture has to be enlarged for.

    Raises:
        ValueError: `size` is more rows than an extent has.
    """
    rows, columns = (min(whole_pixels(getattr(extent, name)) for extent in extents) for name in ("rows", "columns"))
    remaining = min(min(rows / extent.rows, columns / extent.columns) for extent in extents)
    if size is None and (remaining > NEARLY_ONE_SIZE or len(extents) == 1):
        return CommonView(rows, columns, tuple(extent.focal for extent in extents), remaining)
    shapes = [extent.half_x / extent.half_y for extent in extents]
    shape = math.sqrt(min(shapes) * max(shapes))
    largest = whole_pixels(min(min(extent.rows, extent.columns / shape) for extent in extents))
    if largest < 1:
        raise ValueError("the pictures are too narrow and too wide to have a shape in common")
    if size is not None and size > largest:
        raise ValueError(
            f"the picture has {largest} rows about its principal point; give a size of at most that, not {size}"
        )
    rows = size or largest
    columns = max(1, whole_pixels(shape * rows))
    focals = tuple(max(rows / (2 * extent.half_y), (columns - 1e-6) / (2 * extent.half_x)) for extent in extents)
    pairs = zip(extents, focals, strict=True)
    remaining = min(min(rows / extent.half_y, columns / extent.half_x) / 2 / focal for extent, focal in pairs)
    return CommonView(rows, columns, focals, remaining)


def pinhole_view(picture: Picture, lens: Pinhole, focal: float, shape: tuple[int, int]) -> tuple[Picture, float]:
    """The picture of a camera with square pixels and a centred principal point, and its full vertical angle in degrees.

    Args:
        picture: one or more pictures of one camera, `lens`.
        focal: focal length of the result, in its pixels.
        shape: rows and columns of the result. A picture of such a camera is returned unchanged.
    """
    step = (lens.focal_y / focal, lens.focal_x / focal)
    view = area_resample(picture, (lens.center_y, lens.center_x), step, shape)
    return view, math.degrees(2 * math.atan(shape[0] / 2 / focal))


def area_resample(
    picture: Picture, center: tuple[float, float], step: tuple[float, float], shape: tuple[int, int]
) -> Picture:
    """Resample pictures by area averaging: each pixel is the mean over a rectangle.

    Color is weighted by alpha, so that transparent pixels do not contribute; it is 0 where alpha is.

    Args:
        picture: the input, transparent beyond its edges.
        center: center of the result in the input (row, column), in pixels; (0, 0) is the upper left corner.
        step: height and width of the result's pixels, in pixels of the input.
        shape: rows and columns of the result.
    """
    if step == (1.0, 1.0) and shape == picture.size and center == (shape[0] / 2, shape[1] / 2):
        return picture
    color, alpha = area_mean(picture.color, picture.alpha, center, step, shape)
    return Picture(color.clamp(0, 1), alpha.clamp(0, 1))


def area_mean(
    values: Float[Tensor, "N h w C"],
    weights: Float[Tensor, "N h w 1"],
    center: tuple[float, float],
    step: tuple[float, float],
    shape: tuple[int, int],
) -> tuple[Float[Tensor, "N H W C"], Float[Tensor, "N H W 1"]]:
    """Weighted means of values over rectangles, and the means of the weights; both 0 where all weights are 0.

    Args:
        values, weights: of each pixel; beyond the edges the weight is 0.
        center, step, shape: as in `area_resample`.
    """
    rows, columns = (
        _overlap_fractions(center[i] - shape[i] / 2 * step[i], step[i], shape[i], values.shape[1 + i]).to(values)
        for i in (0, 1)
    )
    weighed = torch.cat([values * weights, weights], dim=-1)
    mean = torch.einsum("ih,nhwc,jw->nijc", rows, weighed, columns)
    weight = mean[..., -1:]
    return mean[..., :-1] / torch.where(weight > 0, weight, 1), weight


def whole_pixels(length: float) -> int:
    """Number of whole pixels in a length, tolerant of rounding errors."""
    return int(length + 1e-6)


def _overlap_fractions(start: float, step: float, count: int, size: int) -> Float[Tensor, "count size"]:
    """Fraction of each of `count` intervals of length `step`, beginning at `start`, that lies in each unit interval."""
    edges = start + step * torch.arange(count + 1, dtype=torch.float64)
    units = torch.arange(size, dtype=torch.float64)
    overlap = torch.minimum(edges[1:, None], units + 1) - torch.maximum(edges[:-1, None], units)
    return overlap.clamp(min=0) / step


def downsample(images: Float[Tensor, "B H W C"], size: int | tuple[int, int]) -> Float[Tensor, "B h w C"]:
    """Downsample pictures by area averaging.

    Example:
        >>> downsample(torch.arange(4.0).view(1, 2, 2, 1), 1).item()
        1.5
    """
    return functional.interpolate(images.movedim(3, 1), size, mode="area").movedim(1, 3)
