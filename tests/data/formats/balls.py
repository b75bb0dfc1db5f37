"""Pictures of coloured dots at known points, drawn by the textbook projection and by nothing of the code under test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from maquette.data.formats import PosedImages

COLORS = np.eye(3)
POINTS = np.array([[0.25, 0.05, -0.5], [-0.15, 0.15, 0.0], [0.0, -0.2, 0.5]])  # far apart from any side
OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
RADIUS, FINER = 3.0, 8  # of the dots in pixels; samples per pixel side


def orbit(azimuth_deg: float, elevation_deg: float, distance: float) -> np.ndarray:
    """OpenGL camera-to-world [4, 4] of a camera that looks at the origin, z up."""
    a, e = np.radians([azimuth_deg, elevation_deg])
    backward = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0])
    c2w = np.eye(4)
    c2w[:3, :4] = np.stack([right, np.cross(backward, right), backward, distance * backward], axis=1)
    return c2w


def project(points: np.ndarray, c2w: np.ndarray, focal: tuple[float, float], center: tuple[float, float]) -> np.ndarray:
    """Pixel positions [P, 2], right and down from the upper left corner: u = f_x X / Z + c_x, v = f_y Y / Z + c_y."""
    w2c = OPENCV_FROM_OPENGL @ np.linalg.inv(c2w)
    local = points @ w2c[:3, :3].T + w2c[:3, 3]
    return local[:, :2] / local[:, 2:] * focal + center


def draw(
    path: Path,
    c2w: np.ndarray,
    focal: tuple[float, float],
    size: tuple[int, int],
    center: tuple[float, float] | None = None,
    points: np.ndarray = POINTS,
    mode: str = "RGBA",
) -> None:
    """Write a picture of one dot per point; `size` is (width, height)."""
    pixels = np.zeros((size[1], size[0], 4))
    for color, (u, v) in zip(COLORS, project(points, c2w, focal, center or (size[0] / 2, size[1] / 2)), strict=True):
        cover = dot(u, v, size)
        assert (pixels[..., 3] * cover).max() == 0, "dots overlap"
        pixels[cover > 0, :3] = color
        pixels[..., 3] += cover
    if mode == "RGB":
        pixels = pixels[..., :3] * pixels[..., 3:]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 255 + 0.5).astype(np.uint8)).save(path)


def dot(u: float, v: float, size: tuple[int, int]) -> np.ndarray:
    """Share of each pixel that a dot with its middle at (u, v) covers [H, W]."""
    cover = np.zeros((size[1], size[0]))
    (left, right), (top, bottom) = (
        (max(int(middle - RADIUS), 0), min(int(middle + RADIUS) + 1, side))
        for middle, side in zip((u, v), size, strict=True)
    )
    if left < right and top < bottom:  # else it is out of the picture
        columns, rows = ((np.arange(a * FINER, b * FINER) + 0.5) / FINER for a, b in ((left, right), (top, bottom)))
        inside = np.hypot(columns - u, rows[:, None] - v) < RADIUS
        cover[top:bottom, left:right] = inside.reshape(bottom - top, FINER, right - left, FINER).mean((1, 3))
    return cover


def misplacement(images: PosedImages, points: np.ndarray = POINTS) -> float:
    """How far, in pixels, a dot's middle is from where its camera projects its point, at most.

    Args:
        points: in the world of the source; `images.placement` brings them into that of the cameras.
    """
    import torch

    height, width = images.cameras.height, images.cameras.width
    here = torch.from_numpy(points).float() @ images.placement[:3, :3].T + images.placement[:3, 3]
    clip = images.cameras.clip_positions(here, 0.1, 100)
    flat = (clip[..., :2] / clip[..., 3:]).numpy()
    expected = np.stack([(flat[..., 0] + 1) * width / 2, (1 - flat[..., 1]) * height / 2], axis=-1)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    worst = 0.0
    for picture, places in zip(images.picture.over(0.0).numpy(), expected, strict=True):
        for channel, place in enumerate(places):
            others = np.delete(picture, channel, axis=-1).max(-1)
            weight = np.clip(picture[..., channel] - others, 0, 1)
            assert weight.sum() > 1, "a dot is out of the picture"
            middle = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
            worst = max(worst, float(np.abs(middle - place).max()))
    return worst


def turn_by_exif(folder: Path, orientation: int, turn: Image.Transpose | None = None) -> None:
    """Save the pictures of a folder again with an EXIF orientation, and turned in the file if `turn` says how."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    for file in list(folder.iterdir()):
        picture = Image.open(file)
        (picture if turn is None else picture.transpose(turn)).save(file, exif=exif)
