"""The description of a folder that every format reader returns, and its assembly into `PosedImages`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.annotations import CountOrNone, Pixels, Positive
from maquette.data.formats.placement import apply_placement
from maquette.data.formats.posed_images import PosedImages, SparsePoints, Split, posed_cameras
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.picture import Picture
from maquette.images.reading import read_picture
from maquette.images.resampling import Pinhole, centred_view


@dataclass(frozen=True)
class Reading:
    """Options of reading a folder of posed images."""

    size: Pixels | None = None  # rows of the pictures, columns in proportion; none: the files' size
    scale: Positive | Literal["auto"] = "auto"  # scene units per unit of the files' world; auto: see each format
    center: tuple[float, float, float] | Literal["auto"] = "auto"  # point of the files' world that becomes the origin
    hold_out: CountOrNone = 8  # every n-th picture, by name, is a test picture where the files name no split; 0: none

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"size is a number of rows, not {self.size}")
        if self.scale != "auto" and not self.scale > 0:
            raise ValueError(f"scale is a positive number, not {self.scale}")
        if self.hold_out < 0 or self.hold_out == 1:
            raise ValueError(f"hold_out is 2 or more, or 0 for none, not {self.hold_out}: 1 would leave none to train")


@dataclass(frozen=True)
class Frame:
    """One picture with its camera, as the files describe them.

    Args:
        name: its name in the files.
        picture: path of the image file.
        c2w: camera-to-world [4, 4] float64, OpenGL axes, in the files' world.
        lens: pinhole intrinsics in pixels of the image file.
        split: its split; None: the files name none.
    """

    name: str
    picture: Path
    c2w: Float[Tensor, "4 4"]
    lens: Pinhole
    split: Split | None


@dataclass(frozen=True)
class Layout:
    """The content of a folder of posed images.

    Args:
        file: the file that lists the pictures, for messages.
        frames: the pictures.
        placement: similarity from the files' world to the project's [4, 4] float64.
        points: sparse points in the files' world; None if there are none.
        earlier: similarity that, by the files, was applied to their poses before [4, 4] float64.
    """

    file: Path
    frames: Sequence[Frame]
    placement: Float[Tensor, "4 4"]
    points: SparsePoints | None = None
    earlier: Float[Tensor, "4 4"] = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))


def stack_poses(frames: Sequence[Frame], file: Path) -> Float[Tensor, "N 4 4"]:
    """The frames' camera-to-world matrices; ConfigError if there are none in `file`."""
    if not frames:
        raise ConfigError("this file names no pictures", file=display_path(file))
    return torch.stack([frame.c2w for frame in frames])


def assemble(layout: Layout, reading: Reading) -> PosedImages:
    """Read the pictures and place the cameras.

    Raises:
        ConfigError: no picture is for training, pictures differ in size, or are smaller than `reading.size`.
    """
    c2w = apply_placement(stack_poses(layout.frames, layout.file), layout.placement)
    split = _splits(layout, reading.hold_out)
    pictures: list[Picture] = []
    fov_y_deg: list[float] = []
    for frame in layout.frames:
        try:
            picture, angle = centred_view(read_picture(frame.picture), frame.lens, reading.size)
        except ValueError as problem:
            raise ConfigError(str(problem), file=display_path(frame.picture)) from None
        if pictures and picture.size != pictures[0].size:
            (height, width), (first_height, first_width) = picture.size, pictures[0].size
            raise ConfigError(
                f"{frame.name!r} is {width} x {height} pixels and {layout.frames[0].name!r} is "
                f"{first_width} x {first_height}, after centring them",
                file=display_path(layout.file),
                hint=f"give size={min(height, first_height)} to bring them to one height, or crop them",
            )
        pictures.append(picture)
        fov_y_deg.append(angle)
    cameras = posed_cameras(c2w.float(), torch.tensor(fov_y_deg), *pictures[0].size)
    points = layout.points
    if points is not None:
        positions = points.positions.double() @ layout.placement[:3, :3].T + layout.placement[:3, 3]
        points = SparsePoints(positions.float(), points.colors)
    names = tuple(frame.name for frame in layout.frames)
    whole = (layout.placement @ layout.earlier).float()
    return PosedImages(Picture.cat(pictures), cameras, split, names, whole, points)


def _splits(layout: Layout, hold_out: int) -> tuple[Split, ...]:
    """The files' own splits; if they have none, every n-th picture by name, from the first on, is a test picture."""
    ranked = sorted(range(len(layout.frames)), key=lambda i: layout.frames[i].name)
    has_splits = any(frame.split for frame in layout.frames)
    test_frames = set() if has_splits or not hold_out else set(ranked[::hold_out])
    split = tuple(frame.split or ("test" if i in test_frames else "train") for i, frame in enumerate(layout.frames))
    if "train" not in split:
        raise ConfigError(f"none of the {len(split)} pictures is for training", file=display_path(layout.file))
    return split
