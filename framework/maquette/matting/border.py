"""Matte of an object in front of a background of one colour, which is that of the picture's border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage

from maquette.annotations import OpenFraction
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.matting.base import Matting
from maquette.registry import register

RING = 1 / 32  # width of the border in which the background is looked for, as a fraction of the picture's side
PLAIN = 0.9  # fraction of the border that has the background's colour at least
HOLE_DIFFERENCE = 0.015  # colour difference to the background above which what the object encloses belongs to it
LEAST_HOLE = 6  # pixels
MIXTURE_ERROR = 0.06  # largest error of a colour that is explained as a mixture of object and background,
RELATIVE_ERROR = 0.12  # or this fraction of the difference between the two, if that is more
LEAST_OBJECT, MOST_OBJECT = 1e-3, 0.98  # fractions of the picture that the object covers
REACH = 2  # pixels from an edge within which it is blurred
SQUARE = np.ones((3, 3), bool)  # eight neighbours
REMEDY = "matting=rembg cuts objects out of any background"


@register("matting", "border")
class Border(Matting):
    """What differs from the colour of the picture's border, with antialiased edges.

    Colours differ by the largest difference of a channel, in display values. Pixels that differ by more than `high`
    are the object, unless an opening by 3 x 3 pixels removes them; so are connected ones that differ by more than
    `low`. Holes stay open if their mean colour is the background's, as in a mug's handle, and are filled if it is only
    close to it, as in a white wall before light grey. The alpha of a pixel at an edge is the fraction at which its
    colour mixes the background's with that of a nearby pixel of the object.
    """

    @dataclass(frozen=True)
    class Config:
        low: OpenFraction = 0.03  # difference to the background up to which a pixel is background
        high: OpenFraction = 0.08  # difference from which it is the object by itself

        def __post_init__(self) -> None:
            if self.low >= self.high:
                raise ValueError(f"low ({self.low:g}) lies below high, and high is {self.high:g}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, picture: Picture) -> Picture:
        rgb = picture.over(1.0).cpu().float()
        backgrounds = [self._background(one) for one in rgb.numpy()]
        alphas = [self._alpha(one, background) for one, background in zip(rgb.numpy(), backgrounds, strict=True)]
        alpha = torch.from_numpy(np.stack(alphas)[..., None])
        background = torch.from_numpy(np.stack(backgrounds))[:, None, None]
        return Picture.from_composited(rgb, alpha, background).to(picture.color.device)

    def _background(self, rgb: np.ndarray) -> np.ndarray:
        """The border's colour [3].

        Raises:
            ConfigError: the border has several.
        """
        border = _border(rgb)
        color = np.median(border, axis=0)
        plain = float((np.abs(border - color).max(-1) < self.config.low).mean())
        if plain < PLAIN:
            raise ConfigError(
                f"the picture's border is not of one colour: {plain:.0%} of it is, and {PLAIN:.0%} have to be, so that "
                "object and background cannot be told apart", hint=REMEDY,
            )  # fmt: skip
        return color

    def _alpha(self, rgb: np.ndarray, background: np.ndarray) -> np.ndarray:
        """Coverage [H, W] of one picture [H, W, 3] before a background [3].

        Raises:
            ConfigError: hardly anything differs from the background, or nearly everything.
        """
        c, offset = self.config, rgb - background
        difference = np.abs(offset).max(-1)
        seeds = ndimage.binary_opening(difference > c.high, SQUARE)
        mask = ndimage.binary_propagation(seeds, SQUARE, mask=difference > c.low)
        mask = _fill_holes(mask, offset)
        if not LEAST_OBJECT <= float(mask.mean()) <= MOST_OBJECT:
            what = "nothing" if mask.mean() < LEAST_OBJECT else "everything"
            raise ConfigError(f"{what} in this picture differs from the colour of its border", hint=REMEDY)
        band = ndimage.binary_dilation(mask, SQUARE) & ~ndimage.binary_erosion(mask, SQUARE, border_value=1)
        fraction = _fraction_of_object(offset, mask)
        return np.where(band, fraction, mask).astype(np.float32)


def _border(rgb: np.ndarray) -> np.ndarray:
    """Pixels of a ring along the border [N, 3]."""
    width = max(1, round(min(rgb.shape[:2]) * RING))
    ring = np.ones(rgb.shape[:2], bool)
    ring[width:-width, width:-width] = False
    return rgb[ring]


def _fill_holes(mask: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The mask with its holes filled where their mean difference to the background is not nearly zero."""
    labels, count = ndimage.label(ndimage.binary_fill_holes(mask) & ~mask)
    for hole in range(1, count + 1):
        inside = labels == hole
        core = ndimage.binary_erosion(inside, SQUARE)  # without pixels that are mixed with the object around it
        difference = offset[core if core.any() else inside].mean(0)
        if inside.sum() < LEAST_HOLE or np.abs(difference).max() > HOLE_DIFFERENCE:
            mask = mask | inside
    return mask


def _fraction_of_object(offset: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fraction of object in each pixel [H, W], if its colour mixes the background's with that of the mask nearby.

    With offsets p and f of a pixel's and its neighbour's colours from the background's, p = a f; of the neighbours that
    explain the pixel's colour, the one that differs most from the background counts.
    """
    fraction = np.full(mask.shape, np.inf)
    padded, padded_mask = np.pad(offset, ((REACH, REACH), (REACH, REACH), (0, 0))), np.pad(mask, REACH)
    height, width = mask.shape
    for row in range(2 * REACH + 1):
        for column in range(2 * REACH + 1):
            neighbor = padded[row : row + height, column : column + width]
            square = (neighbor**2).sum(-1)
            a = np.clip((offset * neighbor).sum(-1) / np.maximum(square, 1e-6), 0, 1)
            tolerance = np.maximum(MIXTURE_ERROR, RELATIVE_ERROR * np.abs(neighbor).max(-1))
            explained = np.abs(offset - a[..., None] * neighbor).max(-1) < tolerance
            explained &= padded_mask[row : row + height, column : column + width]
            fraction = np.where(explained, np.minimum(fraction, a), fraction)
    return np.where(np.isinf(fraction), mask, fraction)
