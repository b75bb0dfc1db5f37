"""COLMAP's sparse models in binary: `cameras.bin`, `images.bin` and, if it is there, `points3D.bin`.

Source: https://colmap.github.io/format.html; src/colmap/scene/reconstruction_io_binary.cc. Little-endian.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import torch

from maquette.data.formats.colmap_model import ColmapImage, ColmapModel, colmap_lens, colmap_parameters
from maquette.data.formats.parsing import read_bytes
from maquette.data.formats.posed_images import SparsePoints
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.lenses import MODELS, Lens

CAMERAS, IMAGES, POINTS = "cameras.bin", "images.bin", "points3D.bin"
MODEL_NAMES = tuple(MODELS)  # by COLMAP's numbers
POINT2D_BYTES, TRACK_BYTES = 24, 8  # x, y, number of the point; numbers of the picture and of its 2D point


def read_model(folder: Path) -> ColmapModel:
    """The model in a folder.

    Raises:
        ConfigError: a file is missing or cut off, or a camera's model is not known.
    """
    points = _points(folder / POINTS) if (folder / POINTS).is_file() else None
    return ColmapModel(_cameras(folder / CAMERAS), _images(folder / IMAGES), points)


def count_images(folder: Path) -> int:
    """Pictures of the model in a folder; 0 if it cannot be read."""
    try:
        return int(_File(folder / IMAGES).take("Q")[0])
    except ConfigError:
        return 0


class _File:
    """A file that is read from the start to the end."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0
        try:
            self.data = read_bytes(path)
        except OSError as problem:
            raise ConfigError(f"cannot read this file: {problem}", file=display_path(path)) from problem

    def take(self, form: str) -> tuple:
        """The next values, by `struct`'s format."""
        size = struct.calcsize(f"<{form}")
        self.skip(size)
        return struct.unpack_from(f"<{form}", self.data, self.place - size)

    def skip(self, size: int) -> None:
        """Pass over bytes."""
        if self.place + size > len(self.data):
            raise ConfigError(
                f"this file ends within its entries, at byte {len(self.data)}", file=display_path(self.path),
                hint="it is cut off; copy it again",
            )  # fmt: skip
        self.place += size

    def take_name(self) -> str:
        """The next text, which ends with a zero."""
        end = self.data.find(b"\0", self.place)
        if end < 0:
            self.skip(len(self.data))
        name = self.data[self.place : end]
        self.place = end + 1
        return name.decode("utf-8", "replace")

    def finite(self, values: tuple[float, ...], what: str) -> tuple[float, ...]:
        """The values themselves, if all are finite."""
        if not all(math.isfinite(value) for value in values):
            raise ConfigError(f"{what} has numbers that are not finite", file=display_path(self.path))
        return values


def _cameras(path: Path) -> dict[int, Lens]:
    file, cameras = _File(path), {}
    for _ in range(file.take("Q")[0]):
        number, model, width, height = file.take("IiQQ")
        name = MODEL_NAMES[model] if 0 <= model < len(MODEL_NAMES) else f"number {model}"
        count = len(colmap_parameters(name)) if name in MODELS else 0
        parameters = file.finite(file.take(f"{count}d"), f"camera {number}")
        cameras[number] = colmap_lens(name, width, height, parameters, path, None)
    return cameras


def _images(path: Path) -> list[ColmapImage]:
    file, images = _File(path), []
    for _ in range(file.take("Q")[0]):
        number, *pose, camera = file.take("I7dI")
        name = file.take_name()
        pose = list(file.finite(tuple(pose), f"image {number}"))
        if not sum(value * value for value in pose[:4]) > 0:
            raise ConfigError(f"image {number} has a rotation of length 0", file=display_path(path))
        file.skip(file.take("Q")[0] * POINT2D_BYTES)
        images.append(ColmapImage(number, tuple(pose[:4]), tuple(pose[4:]), camera, name))
    return images


def _points(path: Path) -> SparsePoints:
    file, rows = _File(path), []
    for _ in range(file.take("Q")[0]):
        _, *values, _, track = file.take("Q3d3BdQ")
        rows.append(values)
        file.skip(track * TRACK_BYTES)
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    table = table[table.isfinite().all(1)]
    return SparsePoints(table[:, :3], table[:, 3:].float() / 255)
