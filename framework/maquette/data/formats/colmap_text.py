"""COLMAP's sparse models as text: `cameras.txt`, `images.txt` and, if it is there, `points3D.txt`.

Source: https://colmap.github.io/format.html.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from maquette.data.formats.colmap_model import ColmapImage, ColmapModel, colmap_lens, colmap_parameters
from maquette.data.formats.parsing import read_text
from maquette.data.formats.posed_images import SparsePoints
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.lenses import MODELS, Lens

CAMERAS, IMAGES, POINTS = "cameras.txt", "images.txt", "points3D.txt"
IMAGE_FORM = "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of 2D points"
Location = tuple[Path, int]  # a file and a line in it


def read_model(folder: Path) -> ColmapModel:
    """The model in a folder.

    Raises:
        ConfigError: a file is missing, a line is malformed, a camera's model is not known.
    """
    cameras = _cameras(folder / CAMERAS)
    images, bare = _images(folder / IMAGES)
    model = ColmapModel(cameras, images)
    if bare and bare < len(images):
        model.warnings.append(f"{IMAGES} has no line of 2D points after {bare} of its {len(images)} pictures")
    if (folder / POINTS).is_file():
        model.points = _points(folder / POINTS)
    return model


def count_images(folder: Path) -> int:
    """Pictures of the model in a folder; 0 if it cannot be read."""
    try:
        return len(_images(folder / IMAGES)[0])
    except ConfigError:
        return 0


def _images(path: Path) -> tuple[list[ColmapImage], int]:
    """The pictures, and how many have no line of 2D points, not even an empty one, though another picture follows."""
    images: list[ColmapImage] = []
    bare, awaits_points = 0, False
    for location, line in _lines(path):
        words = line.split(maxsplit=9)
        if awaits_points and _is_points(line):
            awaits_points = False
        elif words:
            bare += awaits_points
            images.append(_image(words, location))
            awaits_points = True
    return images, bare


def _is_points(line: str) -> bool:
    """Whether a line may list 2D points, (X, Y, POINT3D_ID) each; that of a picture ends with a name."""
    words = line.split()
    return len(words) % 3 == 0 and all(_number(word) is not None for word in words)


def _image(words: list[str], location: Location) -> ColmapImage:
    pose = _numbers(words[1:8], 7, location, IMAGE_FORM)
    if len(words) < 10 or not words[0].isdecimal() or not words[8].isdecimal():
        raise _malformed(location, f"expected {IMAGE_FORM}")
    if not sum(number * number for number in pose[:4]) > 0:
        raise _malformed(location, "a rotation of length 0")
    return ColmapImage(int(words[0]), tuple(pose[:4]), tuple(pose[4:]), int(words[8]), words[9].strip())


def _cameras(path: Path) -> dict[int, Lens]:
    cameras = {}
    for location, line in _lines(path):
        words = line.split()
        if not words:
            continue
        if len(words) < 4 or not words[0].isdecimal():
            raise _malformed(location, "expected CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]")
        model = words[1].upper()
        names = " ".join(name.upper() for name in colmap_parameters(model)) if model in MODELS else "PARAMS[]"
        width, height, *parameters = _numbers(words[2:], len(words) - 2, location, f"WIDTH HEIGHT {names}")
        cameras[int(words[0])] = colmap_lens(model, int(width), int(height), tuple(parameters), *location)
    return cameras


def _points(path: Path) -> SparsePoints:
    rows = [
        _numbers(line.split()[1:7], 6, location, "POINT3D_ID X Y Z R G B ERROR TRACK")
        for location, line in _lines(path)
        if line.strip()
    ]
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    return SparsePoints(table[:, :3], table[:, 3:].float() / 255)


def _lines(path: Path) -> list[tuple[Location, str]]:
    lines = read_text(path).split("\n")
    return [((path, i), line.rstrip()) for i, line in enumerate(lines, 1) if not line.lstrip().startswith("#")]


def _number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _numbers(words: list[str], count: int, location: Location, form: str) -> list[float]:
    numbers = [number for word in words if (number := _number(word)) is not None and math.isfinite(number)]
    if len(numbers) != count:
        raise _malformed(location, f"expected {form}")
    return numbers


def _malformed(location: Location, message: str) -> ConfigError:
    return ConfigError(message, file=display_path(location[0]), line=location[1])
