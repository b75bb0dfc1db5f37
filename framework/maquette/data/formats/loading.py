"""Loading of a folder of posed images, with detection of its format."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from maquette.data.formats import cameras_json, colmap, transforms_json
from maquette.data.formats.companions import listing
from maquette.data.formats.frames import Layout, Reading, assemble
from maquette.data.formats.posed_images import PosedImages
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.lenses import MODELS
from maquette.loaded import Loaded

FORMATS: tuple[Any, ...] = (cameras_json, transforms_json, colmap)  # in order of precedence: the first that is there
EXPECTED_FILES = (
    "cameras.json, transforms_train.json, transforms.json, images.txt or images.bin (also in sparse/0/, sparse/, "
    "colmap/sparse/0/, dense/0/sparse/ and the like)"
)
LEAST_UPRIGHT = 0.3  # cosine between the cameras' mean up vector and z, below which the world may not have z up

_log = logging.getLogger(__name__)


def load_posed_images(folder: Path | str, reading: Reading | None = None) -> PosedImages:
    """The posed images in a folder of any supported format; docs/multiview.md describes each.

    Args:
        folder: folder with the pictures and the files of their cameras.
        reading: size, placement and hold-out; None: the defaults.

    Raises:
        ConfigError: no such folder, no supported format, or malformed files, by file and key or line.
    """
    loaded = inspect_posed_images(folder, reading)
    facts = loaded.facts
    low, high = (_coordinates(corner) for corner in facts["bounds"])
    _log.info(
        "%s: %s, %d cameras (%s), %s, positions from (%s) to (%s), up (%s)", display_path(Path(folder)), loaded.format,
        facts["cameras"], ", ".join(facts["camera_models"]),
        f"{len(facts['frames_skipped'])} skipped" if facts["frames_skipped"] else "none skipped",
        low, high, _coordinates(facts["up"]),
    )  # fmt: skip
    return loaded.unwrap(display_path(Path(folder)))


def inspect_posed_images(folder: Path | str, reading: Reading | None = None) -> Loaded[PosedImages]:
    """`load_posed_images` with an account of the files.

    Facts: `cameras` (number of pictures with a camera), `camera_models` (names), `intrinsics` (of the first picture:
    model, w, h, fl_x, fl_y, cx, cy and its distortion by name, in pixels of its file), `lenses` (number of different
    ones), `frames_used`, `frames_skipped` (name and reason of each), `splits` (pictures of each), `size` (rows and
    columns as read), `bounds` (lowest and highest coordinates of the cameras' positions), `up` (mean up vector of the
    cameras), both in the world that they are placed in, and `points` (number of sparse points, or null).

    Raises:
        ConfigError: as `load_posed_images`.
    """
    reading, folder = reading or Reading(), Path(folder).expanduser()
    if not folder.is_dir():
        what = "this is a file" if folder.is_file() else "there is no such folder"
        raise ConfigError(f"{what}: {display_path(folder)}", key="data", hint="give the folder that holds the pictures")
    for reader in FORMATS:
        file = reader.find_file(folder)
        if file is not None:
            layout = reader.read_layout(file, reading)
            return _account(layout, reading)
    raise ConfigError(
        f"no posed images in {display_path(folder)}: none of {EXPECTED_FILES} is there", key="data",
        hint="docs/multiview.md shows each format",
    )  # fmt: skip


def _account(layout: Layout, reading: Reading) -> Loaded[PosedImages]:
    assembly = assemble(layout, reading)
    images, cameras = assembly.images, assembly.images.cameras
    positions, up = cameras.c2w[:, :3, 3], cameras.c2w[:, :3, 1].mean(0)
    up = torch.nn.functional.normalize(up, dim=0)
    warnings = [*layout.warnings, *assembly.warnings]
    if layout.skipped:
        reasons = listing(f"{frame.name!r}: {frame.reason}" for frame in layout.skipped)
        warnings.append(f"{len(layout.skipped)} of {len(layout.skipped) + len(images)} pictures are skipped: {reasons}")
    if float(up[2]) < LEAST_UPRIGHT:
        direction = _coordinates(up.tolist())
        warnings.append(f"the cameras' mean up vector is ({direction}), and not z: turn the world upright")
    lens = layout.frames[0].lens
    p = lens.pinhole
    intrinsics = {
        "model": lens.model, "w": p.width, "h": p.height, "fl_x": p.focal_x, "fl_y": p.focal_y, "cx": p.center_x,
        "cy": p.center_y, **dict(zip((*MODELS[lens.model].names, "k3", "k4"), lens.distortion, strict=False)),
    }  # fmt: skip
    distorted = any(frame.lens.distorts for frame in layout.frames)
    upright = any(frame.upright for frame in layout.frames)
    used = [*layout.used, *["lens distortion"] * distorted, *["EXIF orientation"] * upright]
    facts = {
        "cameras": len(images), "camera_models": sorted({frame.lens.model for frame in layout.frames}),
        "intrinsics": intrinsics, "lenses": len({frame.lens for frame in layout.frames}), "frames_used": len(images),
        "frames_skipped": [{"name": frame.name, "reason": frame.reason} for frame in layout.skipped],
        "splits": {split: images.split.count(split) for split in sorted(set(images.split))},
        "size": [cameras.height, cameras.width], "bounds": [positions.amin(0).tolist(), positions.amax(0).tolist()],
        "up": up.tolist(), "points": len(images.points.positions) if images.points is not None else None,
    }  # fmt: skip
    ignored = [*layout.ignored, *assembly.ignored]
    return Loaded(images, "posed-images", layout.format, tuple(used), tuple(ignored), tuple(warnings), facts)


def _coordinates(numbers: Sequence[float]) -> str:
    return ", ".join(f"{round(number, 2) + 0.0:.2f}" for number in numbers)
