"""Camera models with distortion, under COLMAP's names, and the removal of distortion by resampling.

A model takes points at depth 1, (x, y), right and down, to image coordinates in units of the focal lengths about the
principal point.

Source: COLMAP, src/colmap/sensor/models.h; OpenCV, calib3d; Kannala and Brandt 2006 (fisheye); Devernay and Faugeras
2001 (FOV); Fitzgibbon 2001 (division); Usenko et al. 2018 (arXiv 1807.08957, extended unified model).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample

from maquette.images.picture import Picture
from maquette.images.resampling import Pinhole, whole_pixels

Points = Float[Tensor, "*n"]
LEAST_FIELD = 0.2  # of the field of view that a lens has to leave when its distortion is removed
GRID = 33  # points along each axis at which a lens is tried
BAND_ROWS = 256  # rows that are resampled at once, so that large pictures take little memory
TINY = 1e-12


def _radial(x: Points, y: Points, *coefficients: float) -> tuple[Points, Points]:
    square = x * x + y * y
    factor = torch.ones_like(square)
    for i, coefficient in enumerate(coefficients):
        factor = factor + coefficient * square ** (i + 1)
    return x * factor, y * factor


def _tangential(x: Points, y: Points, p1: float, p2: float) -> tuple[Points, Points]:
    square = x * x + y * y
    return 2 * p1 * x * y + p2 * (square + 2 * x * x), 2 * p2 * x * y + p1 * (square + 2 * y * y)


def _opencv(
    x: Points, y: Points, k1: float, k2: float, p1: float, p2: float, k3: float = 0.0, k4: float = 0.0
) -> tuple[Points, Points]:
    (a, b), (c, d) = _radial(x, y, k1, k2, k3, k4), _tangential(x, y, p1, p2)
    return a + c, b + d


def _full_opencv(
    x: Points, y: Points, k1: float, k2: float, p1: float, p2: float, k3: float, k4: float, k5: float, k6: float
) -> tuple[Points, Points]:
    square = x * x + y * y
    factor = (1 + k1 * square + k2 * square**2 + k3 * square**3) / (1 + k4 * square + k5 * square**2 + k6 * square**3)
    c, d = _tangential(x, y, p1, p2)
    return x * factor + c, y * factor + d


def _fisheye(x: Points, y: Points, *coefficients: float) -> tuple[Points, Points]:
    """Radius theta (1 + k1 theta^2 + ...), with theta the angle from the axis."""
    radius = torch.hypot(x, y)
    factor = torch.where(radius > TINY, torch.atan(radius) / radius.clamp(min=TINY), 1)
    return _radial(x * factor, y * factor, *coefficients)


def _thin_prism_fisheye(
    x: Points, y: Points, k1: float, k2: float, p1: float, p2: float, k3: float, k4: float, s1: float, s2: float
) -> tuple[Points, Points]:
    x, y = _fisheye(x, y)
    square = x * x + y * y
    a, b = _opencv(x, y, k1, k2, p1, p2, k3, k4)
    return a + s1 * square, b + s2 * square


def _rad_tan_thin_prism_fisheye(x: Points, y: Points, *parameters: float) -> tuple[Points, Points]:
    radial, (p0, p1), (s0, s1, s2, s3) = parameters[:6], parameters[6:8], parameters[8:]
    x, y = _fisheye(x, y, *radial)
    square = x * x + y * y
    c, d = _tangential(x, y, p1, p0)
    return x + c + s0 * square + s1 * square**2, y + d + s2 * square + s3 * square**2


def _fov(x: Points, y: Points, omega: float) -> tuple[Points, Points]:
    """Radius atan(2 r tan(omega / 2)) / omega."""
    if abs(omega) < 1e-6:
        return x, y
    radius, spread = torch.hypot(x, y), 2 * math.tan(omega / 2)
    factor = torch.atan(spread * radius) / (omega * radius.clamp(min=TINY))
    factor = torch.where(radius > 1e-9, factor, spread / omega)
    return x * factor, y * factor


def _division(x: Points, y: Points, k: float) -> tuple[Points, Points]:
    """The inverse of r = d / (1 + k d^2); nan where no d has that r."""
    factor = 2 / (1 + torch.sqrt(1 - 4 * k * (x * x + y * y)))
    return x * factor, y * factor


def _eucm(x: Points, y: Points, alpha: float, beta: float) -> tuple[Points, Points]:
    depth = alpha * torch.sqrt(beta * (x * x + y * y) + 1) + 1 - alpha
    return x / depth, y / depth


class Model(NamedTuple):
    """A camera model: its number of focal lengths, the names of its further parameters, and its distortion."""

    focals: int
    names: tuple[str, ...] = ()
    distort: Callable[..., tuple[Points, Points]] | None = None


_FULL = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
_ARIA = ("k0", "k1", "k2", "k3", "k4", "k5", "p0", "p1", "s0", "s1", "s2", "s3")
MODELS = {
    "SIMPLE_PINHOLE": Model(1),
    "PINHOLE": Model(2),
    "SIMPLE_RADIAL": Model(1, ("k1",), _radial),
    "RADIAL": Model(1, ("k1", "k2"), _radial),
    "OPENCV": Model(2, ("k1", "k2", "p1", "p2"), _opencv),
    "OPENCV_FISHEYE": Model(2, ("k1", "k2", "k3", "k4"), _fisheye),
    "FULL_OPENCV": Model(2, _FULL, _full_opencv),
    "FOV": Model(2, ("omega",), _fov),
    "SIMPLE_RADIAL_FISHEYE": Model(1, ("k1",), _fisheye),
    "RADIAL_FISHEYE": Model(1, ("k1", "k2"), _fisheye),
    "THIN_PRISM_FISHEYE": Model(2, ("k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1"), _thin_prism_fisheye),
    "RAD_TAN_THIN_PRISM_FISHEYE": Model(2, _ARIA, _rad_tan_thin_prism_fisheye),
    "SIMPLE_DIVISION": Model(1, ("k",), _division),
    "DIVISION": Model(2, ("k",), _division),
    "SIMPLE_FISHEYE": Model(1, (), _fisheye),
    "FISHEYE": Model(2, (), _fisheye),
    "EUCM": Model(2, ("alpha", "beta"), _eucm),
}
"""COLMAP's models by name, in the order of their numbers; each has one or two focal lengths, then the principal point,
then its parameters."""


@dataclass(frozen=True)
class Lens:
    """A camera of any model.

    Args:
        pinhole: focal lengths, principal point and size; the whole of it where nothing distorts.
        model: a key of `MODELS`.
        distortion: parameters of the model, by its names; OPENCV takes two more, k3 and k4.
    """

    pinhole: Pinhole
    model: str = "PINHOLE"
    distortion: tuple[float, ...] = ()

    @staticmethod
    def of_colmap(model: str, width: int, height: int, parameters: tuple[float, ...]) -> Lens:
        """A camera by COLMAP's list of parameters, whose number is that of the model."""
        focals = MODELS[model].focals
        focal, center, rest = parameters[:focals], parameters[focals : focals + 2], parameters[focals + 2 :]
        return Lens(Pinhole(focal[0], focal[-1], center[0], center[1], width, height), model, rest)

    @property
    def distorts(self) -> bool:
        """Whether straight lines come out bent."""
        model = MODELS[self.model]
        if model.distort in (_fisheye, _thin_prism_fisheye, _rad_tan_thin_prism_fisheye, _eucm):
            return not (model.distort is _eucm and self.distortion[0] == 0)
        return any(self.distortion)

    def reduced(self, factor: int) -> Lens:
        """The same camera with pixels `factor` times as large; part of a pixel counts as one."""
        p = self.pinhole
        pinhole = Pinhole(
            p.focal_x / factor, p.focal_y / factor, p.center_x / factor, p.center_y / factor,
            -(-p.width // factor), -(-p.height // factor),
        )  # fmt: skip
        return replace(self, pinhole=pinhole)

    def project(self, x: Points, y: Points) -> tuple[Points, Points]:
        """Pixel positions, right and down from the upper left corner, of points (x, y) at depth 1.

        Example:
            >>> lens = Lens(Pinhole(80, 80, 48, 36, 96, 72), "SIMPLE_RADIAL", (-0.2,))
            >>> [round(float(place), 2) for place in lens.project(torch.tensor(0.4), torch.tensor(0.3))]
            [78.4, 58.8]
        """
        distort = MODELS[self.model].distort
        x, y = distort(x, y, *self.distortion) if distort is not None else (x, y)
        p = self.pinhole
        return x * p.focal_x + p.center_x, y * p.focal_y + p.center_y


@lru_cache(maxsize=1024)
def undistorted_pinhole(lens: Lens) -> Pinhole:
    """The camera without distortion of these focal lengths whose whole picture `lens` sees.

    It has at most the size of `lens`; it is smaller, with its principal point in the middle, where the corners would
    lie outside the picture.

    Raises:
        ValueError: too little of the picture is left.
    """
    if not lens.distorts:
        return lens.pinhole
    p = lens.pinhole
    half_x, half_y = min(p.center_x, p.width - p.center_x), min(p.center_y, p.height - p.center_y)
    if min(half_x, half_y, p.focal_x, p.focal_y) <= 0:
        return p
    low, high = 0.0, 1.0
    if _covers(lens, half_x / p.focal_x, half_y / p.focal_y):
        low = 1.0
    for _ in range(0 if low else 24):
        middle = (low + high) / 2
        covered = _covers(lens, middle * half_x / p.focal_x, middle * half_y / p.focal_y)
        low, high = (middle, high) if covered else (low, middle)
    columns, rows = whole_pixels(2 * half_x * low), whole_pixels(2 * half_y * low)
    if low < LEAST_FIELD or min(rows, columns) < 1:
        raise ValueError(f"this lens distorts too much: {lens.model} {lens.distortion} leaves {low:.0%} of its picture")
    if (columns, rows) == (p.width, p.height):
        return p
    return Pinhole(p.focal_x, p.focal_y, columns / 2, rows / 2, columns, rows)


def undistort(picture: Picture, lens: Lens, pinhole: Pinhole) -> Picture:
    """What `pinhole` sees of a picture that `lens` took; bilinear, colors weighted by alpha, transparent outside."""
    premultiplied = torch.cat([picture.color * picture.alpha, picture.alpha], dim=-1).movedim(-1, 1)
    height, width = picture.size
    bands = []
    x = (torch.arange(pinhole.width, dtype=torch.float64) + 0.5 - pinhole.center_x) / pinhole.focal_x
    for start in range(0, pinhole.height, BAND_ROWS):
        rows = torch.arange(start, min(start + BAND_ROWS, pinhole.height), dtype=torch.float64)
        y = (rows + 0.5 - pinhole.center_y) / pinhole.focal_y
        u, v = lens.project(*torch.meshgrid(x, y, indexing="xy"))
        inside = (u >= -1e-6) & (v >= -1e-6) & (u <= width + 1e-6) & (v <= height + 1e-6)
        grid = torch.stack([2 * u / width - 1, 2 * v / height - 1], dim=-1).float().nan_to_num(9.0)
        grid = grid.expand(len(picture), *grid.shape)
        band = grid_sample(premultiplied, grid, mode="bilinear", padding_mode="border", align_corners=False)
        bands.append(band * inside)
    values = torch.cat(bands, dim=2).movedim(1, -1)
    alpha = values[..., 3:].clamp(0, 1)
    alpha = torch.where(alpha > 1 - 1e-5, 1, alpha)  # bilinear weights add up to 1 but for rounding
    return Picture((values[..., :3] / torch.where(alpha > 0, alpha, 1)).clamp(0, 1), alpha)


def _covers(lens: Lens, half_x: float, half_y: float) -> bool:
    """Whether a whole rectangle at depth 1 falls into the picture, and no part of it is folded over."""
    x, y = (torch.linspace(-half, half, GRID, dtype=torch.float64) for half in (half_x, half_y))
    u, v = lens.project(*torch.meshgrid(x, y, indexing="xy"))
    p, slack = lens.pinhole, 1e-6
    inside = (u >= -slack) & (u <= p.width + slack) & (v >= -slack) & (v <= p.height + slack)
    along_x = torch.stack([u.diff(dim=1)[:-1], v.diff(dim=1)[:-1]])
    along_y = torch.stack([u.diff(dim=0)[:, :-1], v.diff(dim=0)[:, :-1]])
    area = along_x[0] * along_y[1] - along_x[1] * along_y[0]
    return bool(inside.all()) and bool((area > 0).all())
