"""NeRF-synthetic's `transforms_train.json` and its kin, and the `transforms.json` of instant-NGP and nerfstudio.

Both have OpenGL cameras in a world with z up. Lenses are either one horizontal angle of view, `camera_angle_x`, as
Blender writes it, or focal lengths `fl_x`, `fl_y` in pixels with a principal point `cx`, `cy`; per file or per frame.

Source: the data sets of Mildenhall et al. 2020 (NeRF, arXiv 2003.08934); instant-NGP, docs/nerf_dataset_tips.md;
nerfstudio, docs/quickstart/data_conventions.
"""

from __future__ import annotations

import math
from collections import ChainMap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.data.formats.frames import Frame, Layout, Reading, stack_poses
from maquette.data.formats.parsing import parse_rigid, parse_typed, read_json, required_value
from maquette.data.formats.placement import nearest_point_to_axes, orbit_scale, similarity
from maquette.data.formats.posed_images import Split
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.reading import image_size
from maquette.images.resampling import Pinhole

SINGLE = "transforms.json"
BY_SPLIT: dict[Split, str] = {split: f"transforms_{split}.json" for split in ("train", "val", "test")}
SUFFIXES = ("", ".png", ".jpg", ".jpeg")  # NeRF-synthetic leaves the suffix out
DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
UNDISTORTED = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE")  # camera models that are pinholes when nothing distorts
BLENDER_SCALE = 2 / 3  # NeRF-synthetic's objects lie within 1.5 of the origin, ours within 1


def find_file(folder: Path) -> Path | None:
    """The file that describes a folder in this format; None if there is none."""
    return next((folder / name for name in (BY_SPLIT["train"], SINGLE) if (folder / name).is_file()), None)


def read_layout(path: Path, reading: Reading) -> Layout:
    """The content of the files: `transforms_train.json` with those of "val" and "test", or one `transforms.json`.

    Raises:
        ConfigError: a missing key or picture, a distorted lens, a pose that is none.
    """
    files = {split: path.with_name(name) for split, name in BY_SPLIT.items() if path.with_name(name).is_file()}
    if path.name == SINGLE or len(files) == 1:
        contents: list[tuple[Path, dict[str, Any], Split | None]] = [(path, read_json(path), None)]
    else:
        contents = [(file, read_json(file), split) for split, file in files.items()]
    frames = [frame for content in contents for frame in _frames(*content)]
    captured = any(_has_focal_lengths(data) for _, data, _ in contents)
    return Layout(path, frames, _placement(stack_poses(frames, path), captured, reading))


def _frames(path: Path, data: dict[str, Any], split: Split | None) -> Iterator[Frame]:
    listed = {name: part for part in BY_SPLIT for name in data.get(f"{part}_filenames", ())}  # nerfstudio's
    entries = parse_typed(list[dict[str, Any]], required_value(data, "frames", "frames", path), "frames", path)
    for i, entry in enumerate(entries):
        key = f"frames.{i}"
        name = parse_typed(str, required_value(entry, "file_path", f"{key}.file_path", path), f"{key}.file_path", path)
        if listed and name not in listed:
            continue
        candidates = [path.parent / f"{name}{suffix}" for suffix in SUFFIXES]
        picture = next((file for file in candidates if file.is_file()), candidates[0])
        size = image_size(picture, f"{key}.file_path", path)
        c2w = parse_rigid(
            required_value(entry, "transform_matrix", f"{key}.transform_matrix", path), f"{key}.transform_matrix", path
        )
        yield Frame(name, picture, c2w, _lens(entry, data, size, key, path), listed.get(name, split))


def _lens(entry: dict[str, Any], shared: dict[str, Any], size: tuple[int, int], key: str, path: Path) -> Pinhole:
    """Pinhole intrinsics of one frame; its own keys override those of the file."""

    def where(name: str) -> str:
        return f"{key}.{name}" if name in entry else name

    def number(name: str, default: float) -> float:
        return parse_typed(float, both.get(name, default), where(name), path)

    both = ChainMap(entry, shared)
    undistort = "undistort the pictures first, e.g. with colmap image_undistorter"
    for name in DISTORTION:
        if number(name, 0.0) != 0:
            raise ConfigError("this lens distorts", key=where(name), file=display_path(path), hint=undistort)
    if both.get("is_fisheye") or both.get("camera_model", "PINHOLE") not in UNDISTORTED:
        name = "is_fisheye" if both.get("is_fisheye") else "camera_model"
        raise ConfigError(f"{both[name]!r} is not a pinhole", key=where(name), file=display_path(path), hint=undistort)
    width, height = size
    for name, length in (("w", width), ("h", height)):
        if number(name, length) != length:
            raise ConfigError(
                f"the picture is {width} x {height}, not {both[name]}", key=where(name), file=display_path(path),
                hint="scale the lens with the picture: w, h, fl_x, fl_y, cx and cy",
            )  # fmt: skip
    if "fl_x" in both:
        focal_x = number("fl_x", 0)
        focal_y = number("fl_y", focal_x)
    elif "camera_angle_x" in both:
        focal_x = width / 2 / math.tan(number("camera_angle_x", 0) / 2)
        focal_y = height / 2 / math.tan(number("camera_angle_y", 0) / 2) if "camera_angle_y" in both else focal_x
    else:
        raise ConfigError(
            "there is no angle of view", key=key, file=display_path(path), hint="give camera_angle_x or fl_x"
        )
    return Pinhole(focal_x, focal_y, number("cx", width / 2), number("cy", height / 2), width, height)


def _has_focal_lengths(data: dict[str, Any]) -> bool:
    """Whether this is a capture by instant-NGP's or nerfstudio's tools rather than a Blender scene."""
    return "fl_x" in data or any("fl_x" in frame for frame in data["frames"])


def _placement(c2w: Float[Tensor, "N 4 4"], captured: bool, reading: Reading) -> Float[Tensor, "4 4"]:
    center = torch.zeros(3).double()
    if reading.center != "auto":
        center = torch.tensor(reading.center).double()
    elif captured:
        center = nearest_point_to_axes(c2w)
    scale = orbit_scale(c2w, center) if captured else BLENDER_SCALE
    return similarity(torch.eye(3).double(), center, scale if reading.scale == "auto" else reading.scale)
