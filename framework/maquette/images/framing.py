"""Cropping a picture to its object: background removal, centring, resizing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageChops
from torch import Tensor

from maquette.errors import ConfigError, MissingDependency
from maquette.images.decoding import Decoded, decode_picture
from maquette.images.picture import Picture
from maquette.images.reading import LARGEST_SIDE, counts_as_opaque, picture_of, rgba_of
from maquette.images.resampling import area_mean, area_resample
from maquette.loaded import Loaded

LEAST_SIDE = 4  # pixels of the object's longer side
BY_HAND = "save the picture with a transparent background, or give a mask of the object (data.mask)"

GiveAlpha = Callable[[Picture], Picture]
"""What gives a picture without an alpha channel one, such as a part of the kind `matting`."""


class SquareCrop(NamedTuple):
    """A square part of a picture: its center (row, column) and its side, in pixels."""

    center: tuple[float, float]
    side: float


def square_around_object(picture: Picture, fill: float) -> SquareCrop:
    """The square of which the object fills a fraction `fill`; at 0 the square around the whole picture."""
    alpha = picture.alpha[0, ..., 0]
    rows, columns = (alpha > 0.5).any(1).nonzero()[:, 0], (alpha > 0.5).any(0).nonzero()[:, 0]
    top, bottom, left, right = int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1
    height, width = picture.size
    if fill == 0:
        return SquareCrop((height / 2, width / 2), float(max(height, width)))
    return SquareCrop(((top + bottom) / 2, (left + right) / 2), max(bottom - top, right - left) / fill)


def crop_and_resize(picture: Picture, square: SquareCrop, size: int) -> Picture:
    """Crop a square and resize it to `size` pixels a side by area averaging, color weighted by alpha.

    Outside the picture everything is transparent.
    """
    step = square.side / size
    return area_resample(picture, square.center, (step, step), (size, size))


def crop_and_resize_values(
    values: Float[Tensor, "1 H W C"], alpha: Float[Tensor, "1 H W 1"], square: SquareCrop, size: int
) -> Float[Tensor, "1 size size C"]:
    """Crop and resize a map of any values, such as depths or normals, by means weighted by alpha."""
    step = square.side / size
    return area_mean(values, alpha, square.center, (step, step), (size, size))[0]


@dataclass(frozen=True)
class ObjectPicture:
    """The part of a picture that shows an object, reduced where it is large.

    Attributes:
        picture: what was read.
        corner: its upper left corner (row, column) in the file's picture as seen.
        scale: side of its pixels, in pixels of the file.
        whole: rows and columns of the file's picture as seen.
    """

    picture: Picture
    corner: tuple[int, int]
    scale: int
    whole: tuple[int, int]

    def square(self, fill: float) -> SquareCrop:
        """`square_around_object` in pixels of the file."""
        height, width = self.whole
        if fill == 0:
            return SquareCrop((height / 2, width / 2), float(max(height, width)))
        center, side = square_around_object(self.picture, fill)
        row, column = (corner + self.scale * place for corner, place in zip(self.corner, center, strict=True))
        return SquareCrop((row, column), side * self.scale)

    def crop(self, square: SquareCrop, size: int) -> Picture:
        """`crop_and_resize` of a square in pixels of the file."""
        return crop_and_resize(self.picture, self._local(square), size)

    def crop_values(
        self, values: Float[Tensor, "1 H W C"], square: SquareCrop, size: int
    ) -> Float[Tensor, "1 size size C"]:
        """`crop_and_resize_values` of a map that `read_map` read, by a square in pixels of the file."""
        return crop_and_resize_values(values, self.picture.alpha, self._local(square), size)

    def read_map(self, path: Path) -> Float[Tensor, "1 H W 3"]:
        """The same part of a map of the same size, in [0, 1].

        Raises:
            ConfigError: the map cannot be read, or has another size.
        """
        decoded = decode_picture(path)
        _check_size(decoded, self.whole, path, "map")
        (top, left), (height, width) = self.corner, self.picture.size
        box = (left, top, left + width * self.scale, top + height * self.scale)
        return picture_of(_reduce(decoded.image, _inside(box, decoded.size), self.scale)).color

    def _local(self, square: SquareCrop) -> SquareCrop:
        row, column = ((place - corner) / self.scale for corner, place in zip(self.corner, square.center, strict=True))
        return SquareCrop((row, column), square.side / self.scale)


def read_object(path: Path, matting: GiveAlpha | None, mask: Path | None = None) -> Picture:
    """`read_object_picture` for those who need its picture alone."""
    return read_object_picture(path, matting, mask).picture


def read_object_picture(path: Path, matting: GiveAlpha | None, mask: Path | None = None) -> ObjectPicture:
    """Read the picture of an object, with a transparent background.

    A picture of more than `LARGEST_SIDE` pixels a side is cut to what is not transparent, and then reduced.

    Args:
        path: a picture, with an alpha channel or without. One that is transparent almost nowhere counts as one
            without (`counts_as_opaque`).
        matting: gives a picture without alpha one; None: it stays opaque.
        mask: a picture of the same size, white where the object is; no matting takes place then.

    Raises:
        ConfigError: nothing in it is opaque, the mask says nothing, or the matting fails.
        MissingDependency: the matting needs a package that is not installed.
    """
    decoded = decode_picture(path, largest=None if mask else LARGEST_SIDE)
    Loaded(None, "picture", decoded.format, ignored=decoded.ignored, warnings=decoded.warnings).unwrap(path)
    image = decoded.image
    if mask is not None:
        image = _masked(decoded, path, mask)
    if mask is not None or not counts_as_opaque(image):
        matting = None
    box = (0, 0, *image.size)
    if max(image.size) > LARGEST_SIDE and matting is None and image.mode == "RGBA":
        box = image.getchannel("A").getbbox() or box
    factor = -(-max(box[2] - box[0], box[3] - box[1]) // LARGEST_SIDE)
    picture = picture_of(_reduce(image, box, factor))
    if matting is not None:
        picture = _with_alpha(picture, matting, path)
    if not bool((picture.alpha > 0.5).any()):
        raise ConfigError(
            "nothing in this picture is opaque", file=str(path), hint="the object has to be, and its background not"
        )
    corner = (box[1] * decoded.scale, box[0] * decoded.scale)
    thing = ObjectPicture(picture, corner, factor * decoded.scale, decoded.size[::-1])
    if (side := thing.square(1).side) < LEAST_SIDE:
        raise ConfigError(
            f"the object of this picture, what is opaque of it, is {side:.0f} pixels wide and high at most",
            file=str(path), hint="give a picture in which it is larger",
        )  # fmt: skip
    return thing


def _reduce(image: Image.Image, box: tuple[int, int, int, int], factor: int) -> Image.Image:
    if factor > 1:
        return image.reduce(factor, box)
    return image if box == (0, 0, *image.size) else image.crop(box)


def _inside(box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[int, int, int, int]:
    return (box[0], box[1], min(box[2], size[0]), min(box[3], size[1]))


def _check_size(decoded: Decoded, shape: tuple[int, int], path: Path, what: str) -> None:
    if decoded.size != shape[::-1]:
        raise ConfigError(
            f"this {what} is {decoded.size[0]} x {decoded.size[1]} pixels and its picture {shape[1]} x {shape[0]}",
            file=str(path), hint="make them alike",
        )  # fmt: skip


def _masked(decoded: Decoded, path: Path, mask: Path) -> Image.Image:
    """The picture with its alpha times the mask."""
    cover = decode_picture(mask)
    _check_size(cover, decoded.size[::-1], mask, "mask")
    grey = Image.fromarray(np.asarray(cover.image).astype(np.uint8)) if cover.image.mode == "F" else cover.image
    levels = grey.convert("L")
    if grey.mode == "RGBA":  # one color, cut out: the shape is in its alpha
        alpha, (low, high) = grey.getchannel("A"), levels.getextrema()
        levels = alpha if low == high and not counts_as_opaque(grey) else ImageChops.multiply(levels, alpha)
    low, high = levels.point([255 * (level >= 128) for level in range(256)]).getextrema()
    if low == high:
        raise ConfigError(
            f"this mask of {path} is {'white' if low else 'black'} all over", key="data.mask", file=str(mask),
            hint="white is the object, black its background",
        )  # fmt: skip
    image = rgba_of(decoded.image)
    image.putalpha(ImageChops.multiply(image.getchannel("A"), levels))
    return image


def _with_alpha(picture: Picture, matting: GiveAlpha, path: Path) -> Picture:
    """The picture with the alpha that a matting gives it, whose errors name the picture's file."""
    try:
        return matting(picture)
    except ConfigError as problem:
        hint = f"{problem.hint}; or {BY_HAND}"
        raise ConfigError(problem.message, key="data.matting", file=str(path), hint=hint) from problem
    except MissingDependency as problem:
        raise MissingDependency(f"{path}: {problem}; or {BY_HAND}") from problem
