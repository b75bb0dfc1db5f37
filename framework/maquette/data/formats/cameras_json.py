"""Our own format: a folder with `cameras.json` and 8-bit RGBA PNG pictures.

Poses are in the world of the project, so nothing is moved or scaled unless asked for; see docs/multiview.md.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from maquette.data.formats.companions import Companions
from maquette.data.formats.frames import Frame, Layout, Reading
from maquette.data.formats.parsing import parse_rigid, parse_typed, read_json, read_text
from maquette.data.formats.placement import similarity
from maquette.data.formats.posed_images import PosedImages, Split
from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path
from maquette.images.lenses import Lens
from maquette.images.pixels import to_bytes
from maquette.images.reading import image_size
from maquette.images.resampling import Pinhole

FILE, FORMAT, VERSION = "cameras.json", "maquette-posed-images", 1
IDENTITY = [[float(row == column) for column in range(4)] for row in range(4)]


@dataclass(frozen=True)
class FrameEntry:
    """One picture in the file."""

    file: str  # relative to the folder
    c2w: Any  # camera-to-world, 4 rows of 4, OpenGL axes
    split: Split | None = None  # none in any frame: every n-th is a test picture, see `Reading.hold_out`
    name: str = ""  # defaults to the file's stem
    fov_y_deg: float | None = None  # overrides the file's


@dataclass(frozen=True)
class CamerasFile:
    """The whole file."""

    format: str
    version: int
    frames: list[FrameEntry]
    fov_y_deg: float | None = None  # full vertical angle of view
    placement: list[list[float]] = field(default_factory=lambda: IDENTITY)  # similarity that was applied to the poses


def find_file(folder: Path) -> Path | None:
    """The file that describes a folder in this format; None if there is none.

    Gaussian splatting's programs write another `cameras.json`, a list, beside what they read.
    """
    path = folder / FILE
    return path if path.is_file() and not read_text(path).lstrip().startswith("[") else None


def read_layout(path: Path, reading: Reading) -> Layout:
    """The content of `cameras.json`.

    Raises:
        ConfigError: another format or version, an unknown or missing key, a missing picture, a pose that is none.
    """
    data = read_json(path)
    for name, expected in (("format", FORMAT), ("version", VERSION)):
        if data.get(name) != expected:
            raise ConfigError(
                f"expected {expected!r}, got {data.get(name)!r}",
                key=name,
                file=display_path(path),
                hint="see docs/multiview.md",
            )
    content: CamerasFile = parse_typed(CamerasFile, data, "", path)
    companions = Companions(path, [path.parent], [path.parent])
    frames = [
        _frame(entry, content.fov_y_deg, f"frames.{i}", path, companions) for i, entry in enumerate(content.frames)
    ]
    center = torch.tensor((0.0,) * 3 if reading.center == "auto" else reading.center, dtype=torch.float64)
    scale = 1.0 if reading.scale == "auto" else reading.scale
    earlier = _similarity(content.placement, path)
    return Layout(path, frames, similarity(torch.eye(3).double(), center, scale), earlier=earlier, format=FORMAT)


def _similarity(rows: list[list[float]], path: Path) -> Float[Tensor, "4 4"]:
    if [len(row) for row in rows] != [4, 4, 4, 4] or not all(math.isfinite(number) for row in rows for number in row):
        raise ConfigError("expected 4 rows of 4 finite numbers", key="placement", file=display_path(path))
    return torch.tensor(rows, dtype=torch.float64)


def _frame(entry: FrameEntry, shared: float | None, key: str, path: Path, companions: Companions) -> Frame:
    fov_y_deg = shared if entry.fov_y_deg is None else entry.fov_y_deg
    if fov_y_deg is None or not 0 < fov_y_deg < 180:
        raise ConfigError(
            f"no angle of view between 0 and 180 but {fov_y_deg}", key=f"{key}.fov_y_deg", file=display_path(path),
            hint="give one here or for the whole file",
        )  # fmt: skip
    picture = companions.find(entry.file, f"{key}.file")
    if picture is None:
        missing = display_path(path.parent / entry.file)
        raise ConfigError(f"there is no picture {missing}", key=f"{key}.file", file=display_path(path))
    width, height = image_size(picture, f"{key}.file", path, upright=True)
    lens = Lens(Pinhole.centred(height / 2 / math.tan(math.radians(fov_y_deg) / 2), (width, height)))
    c2w = parse_rigid(entry.c2w, f"{key}.c2w", path)
    return Frame(entry.name or Path(entry.file).stem, picture, c2w, lens, entry.split, upright=True)


def save_posed_images(folder: Path | str, images: PosedImages) -> Path:
    """Write posed images in this format, colours and alpha rounded to 8 bits, without points.

    Args:
        folder: created if missing.
        images: picture files are named by number, `0000.png` and so on, and keep their names inside the file.

    Returns:
        The path of `cameras.json`.
    """
    folder, frames, rgba = Path(folder), [], images.picture.rgba.cpu()
    for i in range(len(images)):
        with atomic_path(folder / f"{i:04}.png") as path:
            Image.fromarray(to_bytes(rgba[i].numpy())).save(path)
        frames.append(
            {
                "file": f"{i:04}.png",
                "name": images.names[i],
                "split": images.split[i],
                "fov_y_deg": float(images.cameras.fov_y_deg[i]),
                "c2w": images.cameras.c2w[i].tolist(),
            }
        )
    head = {"format": FORMAT, "version": VERSION, "placement": images.placement.tolist()}
    lines = ",\n".join(f"    {json.dumps(frame)}" for frame in frames)
    with atomic_path(folder / FILE) as path:
        path.write_text(f'{json.dumps(head)[:-1]}, "frames": [\n{lines}\n]}}\n', encoding="utf-8")
    return folder / FILE
