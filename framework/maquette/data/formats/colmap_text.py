"""COLMAP's sparse models as text: `cameras.txt`, `images.txt` and, if it is there, `points3D.txt`.

COLMAP's world has no orientation, place or size of its own. Ours: the cameras' mean up vector is +z, the first picture
by name stands at azimuth 0, the origin is the point that the viewing axes pass most closely (least squares), and the
cameras stand 3.2 away from it in the mean.

Source: https://colmap.github.io/format.html. Poses there are world-to-camera, camera axes x right, y down, z forward;
the upper left corner of a picture is (0, 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from maquette.data.formats.frames import Frame, Layout, Reading, stack_poses
from maquette.data.formats.parsing import parse_rigid, read_text
from maquette.data.formats.placement import nearest_point_to_axes, orbit_scale, similarity, upright_rotation
from maquette.data.formats.posed_images import SparsePoints
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.reading import image_size
from maquette.images.resampling import Pinhole
from maquette.kernels.rotations import rotation_matrices

CAMERAS, IMAGES, POINTS = "cameras.txt", "images.txt", "points3D.txt"
MODEL_FOLDERS = ("", "sparse/0", "sparse")  # folders of a model by COLMAP's tools, relative to the data's folder
PICTURE_FOLDERS = ("images", "")  # relative to the data's folder
PARAMETERS = {"SIMPLE_PINHOLE": ("F", "CX", "CY"), "PINHOLE": ("FX", "FY", "CX", "CY")}
"""Parameters in `cameras.txt` of the models without distortion; COLMAP's other models are refused."""
Location = tuple[Path, int]  # a file and a line in it
TO_OPENGL = torch.diag(torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=torch.float64))  # camera axes; its own inverse


def find_file(folder: Path) -> Path | None:
    """The file that lists the pictures of a folder in this format; None if there is none."""
    return next((folder / sub / IMAGES for sub in MODEL_FOLDERS if (folder / sub / IMAGES).is_file()), None)


def read_layout(path: Path, reading: Reading) -> Layout:
    """The content of a model: `images.txt`, and `cameras.txt` and `points3D.txt` in the same folder.

    Raises:
        ConfigError: a file or picture is missing, a line is malformed, a camera has a model that distorts.
    """
    lenses = _lenses(path.with_name(CAMERAS))
    frames = sorted(_frames(path, lenses), key=lambda frame: frame.name)
    c2w = stack_poses(frames, path)
    center = nearest_point_to_axes(c2w) if reading.center == "auto" else torch.tensor(reading.center).double()
    scale = orbit_scale(c2w, center) if reading.scale == "auto" else reading.scale
    points = path.with_name(POINTS)
    return Layout(
        path,
        frames,
        similarity(upright_rotation(c2w, center), center, scale),
        _points(points) if points.is_file() else None,
    )


def _frames(path: Path, lenses: dict[str, Pinhole]) -> Iterator[Frame]:
    root = path.parent
    while root.name in ("sparse", "0"):
        root = root.parent
    lines = _lines(path)
    for location, line in lines[::2]:  # of each picture's two lines the second lists its 2D points, and may be empty
        words = line.split(maxsplit=9)
        if not words:
            continue
        pose_numbers = _numbers(
            words[1:8], 7, location, "IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of 2D points"
        )
        if len(words) < 10 or words[8] not in lenses:
            raise _malformed(location, f"expected a camera of {CAMERAS} and a name after the pose")
        key = f"image {words[0]}"
        candidates = [root / sub / words[9] for sub in PICTURE_FOLDERS]
        picture = next((file for file in candidates if file.is_file()), candidates[0])
        size = image_size(picture, key, path)
        lens = lenses[words[8]]
        if size != (lens.width, lens.height):
            raise ConfigError(
                f"the picture is {size[0]} x {size[1]}, its camera {lens.width} x {lens.height}", key=key,
                file=display_path(path), hint="give the pictures of the model; size= makes them smaller",
            )  # fmt: skip
        w2c = torch.eye(4).double()
        w2c[:3, :3], w2c[:3, 3] = (
            rotation_matrices(torch.tensor([pose_numbers[:4]]).double())[0],
            torch.tensor(pose_numbers[4:]).double(),
        )
        yield Frame(words[9], picture, parse_rigid(torch.linalg.inv(w2c) @ TO_OPENGL, key, path), lens, None)


def _lenses(path: Path) -> dict[str, Pinhole]:
    lenses = {}
    for location, line in _lines(path):
        words = line.split()
        if not words:
            continue
        model = words[1] if len(words) > 1 else ""
        if model not in PARAMETERS:
            raise ConfigError(
                f"camera {words[0]} has the model {model!r}, which distorts or is unknown", file=display_path(path),
                line=location[1], hint="undistort first: colmap image_undistorter makes pictures and a PINHOLE model",
            )  # fmt: skip
        names = PARAMETERS[model]
        width, height, *focal, center_x, center_y = _numbers(
            words[2:], 2 + len(names), location, f"WIDTH HEIGHT {' '.join(names)}"
        )
        lenses[words[0]] = Pinhole(focal[0], focal[-1], center_x, center_y, int(width), int(height))
    return lenses


def _points(path: Path) -> SparsePoints:
    rows = [
        _numbers(line.split()[1:7], 6, location, "POINT3D_ID X Y Z R G B ERROR TRACK")
        for location, line in _lines(path)
        if line.strip()
    ]
    table = torch.tensor(rows, dtype=torch.float64).reshape(-1, 6)
    return SparsePoints(table[:, :3], table[:, 3:].float() / 255)


def _lines(path: Path) -> list[tuple[Location, str]]:
    return [((path, i), line) for i, line in enumerate(read_text(path).splitlines(), 1) if not line.startswith("#")]


def _numbers(words: list[str], count: int, location: Location, form: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise _malformed(location, f"expected {form}")
    return numbers


def _malformed(location: Location, message: str) -> ConfigError:
    return ConfigError(message, file=display_path(location[0]), line=location[1])
