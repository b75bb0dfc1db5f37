"""COLMAP's sparse models, as text or in binary, and where its tools leave them and their pictures.

COLMAP's world has no orientation, place or size of its own. Ours: the cameras' mean up vector is +z, the first picture
by name stands at azimuth 0, the origin is the point that the viewing axes pass most closely (least squares), and the
cameras stand 3.2 away from it in the mean.

Source: https://colmap.github.io/format.html. Poses there are world-to-camera, camera axes x right, y down, z forward;
the upper left corner of a picture is (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from maquette.data.formats import colmap_binary, colmap_text
from maquette.data.formats.colmap_model import ColmapModel
from maquette.data.formats.companions import Companions, listing
from maquette.data.formats.frames import NO_PICTURE, Frame, Layout, Reading, Skipped, frame_size, stack_poses
from maquette.data.formats.parsing import WORK_FOLDERS, parse_rigid
from maquette.data.formats.placement import nearest_point_to_axes, orbit_scale, similarity, upright_rotation
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.kernels.rotations import rotation_matrices

MODEL_FOLDERS = (
    "", "sparse", "colmap/sparse", "colmap", "dense/sparse", "dense", "colmap/dense/sparse", "undistorted/sparse",
    "undistorted", "distorted/sparse", "model",
)  # fmt: skip
"""Folders of models by COLMAP's tools and their users, relative to the data's folder; each may hold numbered ones."""
PICTURE_FOLDERS = ("images", "input", "image", "rgb", "imgs")  # relative to the folder of the model or above it
TO_OPENGL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))  # camera axes; its own inverse
READERS: tuple[Any, ...] = (colmap_text, colmap_binary)


def find_file(folder: Path) -> Path | None:
    """The file that lists the pictures of a folder in this format, of its largest model; None if there is none."""
    for place in _places(folder):
        files = _models(place)
        if files:
            return max(files, key=_count)
    return None


def read_layout(path: Path, reading: Reading) -> Layout:
    """The content of a model, whose `images.txt` or `images.bin` is `path`.

    Raises:
        ConfigError: a file is missing or malformed, a camera's model is not known, too few of the pictures are there.
    """
    reader = _reader(path)
    model: ColmapModel = reader.read_model(path.parent)
    warnings = [*model.warnings, *_other_models(path), *_unused_cameras(model)]
    skipped: list[Skipped] = []
    bases = _bases(path.parent)
    companions = Companions(path, _picture_roots(bases), bases)
    frames = sorted(_frames(path, model, companions, skipped), key=lambda frame: frame.name)
    c2w = stack_poses(frames, path, skipped)
    center = (
        nearest_point_to_axes(c2w) if reading.center == "auto" else torch.tensor(reading.center, dtype=torch.float64)
    )
    scale = orbit_scale(c2w, center) if reading.scale == "auto" else reading.scale
    return Layout(
        path, frames, similarity(upright_rotation(c2w, center), center, scale), model.points,
        format="colmap-text" if reader is colmap_text else "colmap-binary", skipped=skipped,
        used=("sparse points",) if model.points is not None else (),
        ignored=("masks",) if any((base / "masks").is_dir() for base in bases) else (),
        warnings=[*warnings, *companions.warnings()],
    )  # fmt: skip


def _frames(path: Path, model: ColmapModel, companions: Companions, skipped: list[Skipped]) -> Iterator[Frame]:
    for image in model.images:
        key = f"image {image.id}"
        if image.camera not in model.cameras:
            raise ConfigError(
                f"{image.name!r} is of camera {image.camera}, which {path.with_stem('cameras').name} does not have",
                key=key, file=display_path(path),
            )  # fmt: skip
        picture = companions.find(image.name, key)
        if picture is None:
            missing = companions.roots[0] / image.name
            skipped.append(Skipped(image.name, f"{NO_PICTURE} {display_path(missing)}"))
            continue
        lens = model.cameras[image.camera]
        _, upright = frame_size(picture, (lens.pinhole.width, lens.pinhole.height), key, path)
        w2c = torch.eye(4).double()
        w2c[:3, :3] = rotation_matrices(torch.tensor([image.rotation], dtype=torch.float64))[0]
        w2c[:3, 3] = torch.tensor(image.translation, dtype=torch.float64)
        c2w = parse_rigid(torch.linalg.inv(w2c) @ TO_OPENGL, key, path)
        yield Frame(image.name, picture, c2w, lens, None, upright)


def _places(folder: Path) -> Iterator[Path]:
    """Where models may be, in order of preference; COLMAP's automatic reconstruction leaves them in dense/0/sparse."""
    for sub in MODEL_FOLDERS:
        yield folder / sub
        yield from (numbered / "sparse" for numbered in _numbered(folder / sub))


def _numbered(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    folders = [sub for sub in folder.iterdir() if sub.name.isdecimal() and sub.is_dir()]
    return sorted(folders, key=lambda sub: int(sub.name))


def _models(place: Path) -> list[Path]:
    """The lists of pictures of the models in a folder: its own, or of the numbered folders in it."""
    for folders in ([place], _numbered(place)):
        files = [file for folder in folders if (file := _list_of_pictures(folder)) is not None]
        if files:
            return files
    return []


def _list_of_pictures(folder: Path) -> Path | None:
    return next((folder / reader.IMAGES for reader in READERS if (folder / reader.IMAGES).is_file()), None)


def _reader(path: Path) -> Any:
    return next(reader for reader in READERS if path.name == reader.IMAGES)


def _count(path: Path) -> int:
    return _reader(path).count_images(path.parent)


def _other_models(path: Path) -> list[str]:
    if not path.parent.name.isdecimal():
        return []
    others = [file for file in _models(path.parent.parent) if file != path]
    counts = [f"{file.parent.name} has {_count(file)} pictures" for file in others]
    read = f"{path.parent.name}, the largest, is read"
    return [f"there are {len(others) + 1} models: {read}, and {listing(counts)}"] if others else []


def _unused_cameras(model: ColmapModel) -> list[str]:
    unused = sorted(model.cameras.keys() - {image.camera for image in model.images})
    if not unused:
        return []
    return [f"{len(unused)} of {len(model.cameras)} cameras have no picture: {listing(map(str, unused))}"]


def _bases(folder: Path) -> list[Path]:
    """The folder of a model, and each folder of COLMAP's that it lies in, up to that of all of its work."""
    bases = [folder]
    while bases[-1].name.isdecimal() or bases[-1].name in WORK_FOLDERS:
        bases.append(bases[-1].parent)
    return bases


def _picture_roots(bases: list[Path]) -> list[Path]:
    """Folders that may hold the pictures: the nearest to the model, for others may hold other pictures of the names."""
    for base in bases:
        folders = [base / sub for sub in PICTURE_FOLDERS if (base / sub).is_dir()]
        if folders:
            return [*folders, *bases]
    return bases
