"""NeRF-synthetic's `transforms_train.json` and its kin, and the `transforms.json` of instant-NGP and nerfstudio.

All have OpenGL cameras in a world with z up. Lenses are either one horizontal angle of view, `camera_angle_x`, as
Blender writes it, or focal lengths `fl_x`, `fl_y` in pixels with a principal point `cx`, `cy`; per file or per frame.
Polycam, Record3D and Metashape come by nerfstudio's or instant-NGP's converters, and have the same keys.

Source: the data sets of Mildenhall et al. 2020 (NeRF, arXiv 2003.08934); instant-NGP, docs/nerf_dataset_tips.md;
nerfstudio, docs/quickstart/data_conventions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.data.formats.companions import Companions, listing
from maquette.data.formats.frames import NO_PICTURE, Frame, Layout, Reading, Skipped, frame_size, stack_poses
from maquette.data.formats.parsing import parse_rigid, parse_typed, read_json, required_value
from maquette.data.formats.placement import nearest_point_to_axes, orbit_scale, similarity
from maquette.data.formats.posed_images import SparsePoints, Split
from maquette.data.formats.transforms_lens import LENS_KEYS, FrameLens
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.meshes.points import read_points

SINGLE = "transforms.json"
BY_SPLIT: dict[Split, str] = {split: f"transforms_{split}.json" for split in ("train", "val", "test")}
BLENDER_SCALE = 2 / 3  # NeRF-synthetic's objects lie within 1.5 of the origin, ours within 1
SPLIT_KEYS = tuple(f"{split}_filenames" for split in BY_SPLIT)
USED = {"frames", "file_path", "transform_matrix", "mask_path", "ply_file_path", *SPLIT_KEYS, *LENS_KEYS}
BOOKKEEPING = {
    "rotation", "sharpness", "colmap_im_id", "applied_transform", "applied_scale", "orientation_override",
    "camera_id", "image_id", "id", "timestamp",
}  # fmt: skip
"""Keys that say nothing that a reader of poses needs; nerfstudio's transform is in its poses already."""
DEPTHS = ("depth_file_path", "depth_path", "depth")


def find_file(folder: Path) -> Path | None:
    """The file that describes a folder in this format; None if there is none."""
    return next((folder / name for name in (BY_SPLIT["train"], SINGLE) if (folder / name).is_file()), None)


def read_layout(path: Path, reading: Reading) -> Layout:
    """The content of the files: `transforms_train.json` with those of "val" and "test", or one `transforms.json`.

    Raises:
        ConfigError: a missing key, too few of the pictures, a lens that is not known, a pose that is none, a path that
            leads out of the folder.
    """
    files = {split: path.with_name(name) for split, name in BY_SPLIT.items() if path.with_name(name).is_file()}
    if path.name == SINGLE or len(files) == 1:
        contents: list[tuple[Path, dict[str, Any], Split | None]] = [(path, read_json(path), None)]
    else:
        contents = [(file, read_json(file), split) for split, file in files.items()]
    content = _Content(reading)
    for file, data, split in contents:
        content.read(file, _without_nulls(data), split)
    captured = any(_has_focal_lengths(data) for _, data, _ in contents)
    c2w = stack_poses(content.frames, path, content.skipped)
    return Layout(
        path, content.frames, _placement(c2w, captured, reading), content.points, format="transforms-json",
        skipped=content.skipped, used=content.used, ignored=content.ignored(), warnings=content.warnings,
    )  # fmt: skip


class _Content:
    """What the files hold, gathered frame by frame."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.frames: list[Frame] = []
        self.skipped: list[Skipped] = []
        self.points: SparsePoints | None = None
        self.used: list[str] = []
        self.warnings: list[str] = []
        self._unread: dict[str, None] = {}
        self._masks_missing: list[str] = []

    def read(self, path: Path, data: dict[str, Any], split: Split | None) -> None:
        """Add the pictures of one file."""
        companions = Companions(path, [path.parent], [path.parent])
        self._note_unread(data)
        entries = parse_typed(list[dict[str, Any]], required_value(data, "frames", "frames", path), "frames", path)
        entries = [_without_nulls(entry) for entry in entries]
        splits = _listed_splits(data, path)
        for i, entry in enumerate(entries):
            self._note_unread(entry)
            frame = self._frame(entry, data, f"frames.{i}", path, companions, splits, split)
            self.frames.extend([frame] if frame is not None else [])
        self._read_points(data, path, companions)
        if {"applied_transform", "applied_scale"} & data.keys():
            self.used.append("applied_transform, which is in the poses already")
        masked = sum(frame.mask is not None for frame in self.frames)
        if masked and "masks" not in self.used:
            self.used.append("masks")
        if self._masks_missing:
            self.warnings.append(f"{len(self._masks_missing)} masks are not there: {listing(self._masks_missing)}")
        self.warnings.extend(companions.warnings())

    def ignored(self) -> list[str]:
        """Keys that were not read."""
        depth_maps = ["depth maps"] if any(key in self._unread for key in DEPTHS) else []
        return [*depth_maps, *(key for key in self._unread if key not in DEPTHS)]

    def _note_unread(self, data: dict[str, Any]) -> None:
        self._unread.update(dict.fromkeys(key for key in data if key not in USED and key not in BOOKKEEPING))

    def _frame(
        self, entry: dict[str, Any], shared: dict[str, Any], key: str, path: Path, companions: Companions,
        splits: dict[str, Split], split: Split | None,
    ) -> Frame | None:  # fmt: skip
        """The frame of an entry; None where it is skipped."""
        name = _text(entry, "file_path", key, path)
        if splits and _normal(name) not in splits:
            self.skipped.append(Skipped(name, "none of the file's lists of train, val and test pictures has it"))
            return None
        picture = companions.find(name, f"{key}.file_path")
        if picture is None:
            reason = f"{NO_PICTURE} {display_path(path.parent / name.replace(chr(92), '/'))}"
            self.skipped.append(Skipped(name, reason))
            return None
        matrix = required_value(entry, "transform_matrix", f"{key}.transform_matrix", path)
        c2w = parse_rigid(matrix, f"{key}.transform_matrix", path)
        lens = FrameLens(entry, shared, key, path)
        size, upright = frame_size(picture, lens.size(), lens.where("w"), path)
        mask = self._mask(entry, shared, key, path, companions)
        self.warnings.extend(warning for warning in lens.warnings() if warning not in self.warnings)
        return Frame(name, picture, c2w, lens.lens(size), splits.get(_normal(name), split), upright, mask)

    def _mask(
        self, entry: dict[str, Any], shared: dict[str, Any], key: str, path: Path, companions: Companions
    ) -> Path | None:
        source = entry if "mask_path" in entry else shared
        if "mask_path" not in source:
            return None
        name = _text(source, "mask_path", key, path)
        mask = companions.find(name, f"{key}.mask_path")
        if mask is None:
            self._masks_missing.append(name)
        return mask

    def _read_points(self, data: dict[str, Any], path: Path, companions: Companions) -> None:
        if "ply_file_path" not in data:
            return
        file = companions.find(_text(data, "ply_file_path", "", path), "ply_file_path")
        if file is None:
            self.warnings.append(f"there is no file of points {data['ply_file_path']}")
            return
        if file.suffix.lower() != ".ply":
            self._unread["ply_file_path"] = None
            return
        positions, colors = read_points(file)
        grey = torch.full_like(positions, 0.5)
        self.points = SparsePoints(positions.double(), colors if colors is not None else grey)
        self.used.append("sparse points")


def _without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    """Converters write null for what they do not have."""
    return {key: value for key, value in data.items() if value is not None}


def _text(data: dict[str, Any], name: str, key: str, path: Path) -> str:
    place = f"{key}.{name}" if key else name
    return parse_typed(str, required_value(data, name, place, path), place, path)


def _normal(name: str) -> str:
    """A name for comparison: without ./ and backslashes."""
    return "/".join(part for part in name.replace("\\", "/").split("/") if part not in ("", "."))


def _listed_splits(data: dict[str, Any], path: Path) -> dict[str, Split]:
    """nerfstudio's lists of the pictures of each split; empty where none has an entry."""
    splits: dict[str, Split] = {}
    for split in BY_SPLIT:
        key = f"{split}_filenames"
        for name in parse_typed(list[str], data.get(key, []), key, path):
            splits[_normal(name)] = split
    frames = {_normal(str(entry.get("file_path", ""))) for entry in data["frames"] if isinstance(entry, dict)}
    if splits and not frames & splits.keys():
        raise ConfigError(
            f"these lists name none of the {len(frames)} pictures of the frames, but {next(iter(splits))!r}",
            key=", ".join(key for key in SPLIT_KEYS if key in data), file=display_path(path),
            hint="write names as the frames' file_path has them",
        )  # fmt: skip
    return splits


def _has_focal_lengths(data: dict[str, Any]) -> bool:
    """Whether this is a capture by instant-NGP's or nerfstudio's tools rather than a Blender scene."""
    return data.get("fl_x") is not None or any(frame.get("fl_x") is not None for frame in data["frames"])


def _placement(c2w: Float[Tensor, "N 4 4"], captured: bool, reading: Reading) -> Float[Tensor, "4 4"]:
    center = torch.zeros(3).double()
    if reading.center != "auto":
        center = torch.tensor(reading.center, dtype=torch.float64)
    elif captured:
        center = nearest_point_to_axes(c2w)
    scale = orbit_scale(c2w, center) if captured else BLENDER_SCALE
    return similarity(torch.eye(3).double(), center, scale if reading.scale == "auto" else reading.scale)
