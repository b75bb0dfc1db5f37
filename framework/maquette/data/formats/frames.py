"""The description of a folder that every format reader returns, and its assembly into `PosedImages`."""

from __future__ import annotations

import os
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
from maquette.images.decoding import Decoded, decode_picture
from maquette.images.lenses import Lens, undistort, undistorted_pinhole
from maquette.images.picture import Picture
from maquette.images.reading import grey_values, image_size, picture_of
from maquette.images.resampling import CommonView, Pinhole, centred_extent, common_view, pinhole_view

OVERSAMPLING = 4  # pixels, for each of the result, that a picture keeps when it is reduced at decoding
LEAST_FOUND = 0.5  # fraction of the pictures of a file that have to be there
BYTES_PER_PIXEL = 32  # of pictures in memory, while they are put together
MEMORY_FRACTION = 0.8  # of the machine's memory that they may take
FARTHEST = 1e15  # of positions from the origin, scene units
NEARLY_WHOLE = 0.75  # fraction of a picture's side below which what is cropped is worth a word
NO_PICTURE = "there is no picture"
Remarks = dict[tuple[str, str], list[str]]
"""Kind ("ignored" or "warning") and sentence -> names of the pictures that it is about."""


@dataclass(frozen=True)
class Reading:
    """Options of reading a folder of posed images."""

    size: Pixels | None = None  # rows of the pictures, columns in proportion; none: the files' size
    scale: Positive | Literal["auto"] = "auto"  # scene units per unit of the files' world; auto: see each format
    center: tuple[float, float, float] | Literal["auto"] = "auto"  # point of the files' world that becomes the origin
    hold_out: CountOrNone = 8  # every n-th picture, by name, is a test picture where the files name no split; 0: none

    def __post_init__(self) -> None:
        if self.hold_out == 1:
            raise ValueError("hold_out is 2 or more, or 0 for none, not 1, which would leave none to train")


@dataclass(frozen=True)
class Frame:
    """One picture with its camera, as the files describe them.

    Args:
        name: its name in the files.
        picture: path of the image file.
        c2w: camera-to-world [4, 4] float64, OpenGL axes, in the files' world.
        lens: intrinsics in pixels of the image file.
        split: its split; None: the files name none.
        upright: the lens is of the picture as its EXIF data turn it.
        mask: path of an image file that is white where the picture counts; None: everywhere.
    """

    name: str
    picture: Path
    c2w: Float[Tensor, "4 4"]
    lens: Lens
    split: Split | None
    upright: bool = False
    mask: Path | None = None


@dataclass(frozen=True)
class Skipped:
    """A picture of the files that is left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Layout:
    """The content of a folder of posed images.

    Args:
        file: the file that lists the pictures, for messages.
        frames: the pictures.
        placement: similarity from the files' world to the project's [4, 4] float64.
        points: sparse points in the files' world; None if there are none.
        earlier: similarity that, by the files, was applied to their poses before [4, 4] float64.
        format: name of the format.
        skipped: pictures that are left out.
        used, ignored, warnings: as in `Loaded`.
    """

    file: Path
    frames: Sequence[Frame]
    placement: Float[Tensor, "4 4"]
    points: SparsePoints | None = None
    earlier: Float[Tensor, "4 4"] = field(default_factory=lambda: torch.eye(4, dtype=torch.float64))
    format: str = ""
    skipped: Sequence[Skipped] = ()
    used: Sequence[str] = ()
    ignored: Sequence[str] = ()
    warnings: Sequence[str] = ()


def stack_poses(frames: Sequence[Frame], file: Path, skipped: Sequence[Skipped] = ()) -> Float[Tensor, "N 4 4"]:
    """The frames' camera-to-world matrices.

    Raises:
        ConfigError: there are none in `file`, or most of its pictures are skipped because they are missing.
    """
    missing = [frame for frame in skipped if frame.reason.startswith(NO_PICTURE)]
    if len(frames) < LEAST_FOUND * (len(frames) + len(missing)):
        raise ConfigError(
            f"{len(frames)} of {len(frames) + len(missing)} pictures are there; {missing[0].reason}",
            file=display_path(file), hint="put the pictures where the file says, or correct its paths",
        )  # fmt: skip
    if not frames:
        raise ConfigError("this file names no pictures", file=display_path(file))
    return torch.stack([frame.c2w for frame in frames])


def frame_size(picture: Path, expected: tuple[int, int] | None, key: str, file: Path) -> tuple[tuple[int, int], bool]:
    """Width and height of a picture, and whether it has to be turned upright, as EXIF says, to have the expected ones.

    Raises:
        ConfigError: it is not a picture, or has another size.
    """
    stored = image_size(picture, key, file)
    if expected in (None, stored):
        return stored, False
    if image_size(picture, key, file, upright=True) == expected:
        return expected, True
    raise ConfigError(
        f"the picture is {stored[0]} x {stored[1]}, its camera {expected[0]} x {expected[1]}", key=key,
        file=display_path(file), hint="give the pictures that the file was made for; reading.size= makes them smaller",
    )  # fmt: skip


def _check_positions(c2w: Float[Tensor, "N 4 4"], layout: Layout) -> None:
    """Raises ConfigError where a camera stands so far away that single precision cannot hold the square of it."""
    far = c2w[:, :3, 3].abs().amax(1) > FARTHEST
    if far.any():
        first = int(far.nonzero()[0])
        distance = float(c2w[first, :3, 3].abs().max())
        raise ConfigError(
            f"the camera of {layout.frames[first].name} stands {distance:.3g} from the origin",
            file=display_path(layout.file), hint="correct its matrix; one unit of the scene is about the object's size",
        )  # fmt: skip


@dataclass
class Assembly:
    """A set as it was read, and what was said of its picture files."""

    images: PosedImages
    ignored: list[str]
    warnings: list[str]


def assemble(layout: Layout, reading: Reading) -> Assembly:
    """Read the pictures and place the cameras.

    Raises:
        ConfigError: no picture is for training, a lens leaves nothing of its picture, pictures are smaller than
            `reading.size`, or they do not fit into memory.
    """
    c2w = apply_placement(stack_poses(layout.frames, layout.file, layout.skipped), layout.placement)
    _check_positions(c2w, layout)
    split = _splits(layout, reading.hold_out)
    pinholes = [_pinhole(frame) for frame in layout.frames]
    view = _common_view(layout, pinholes, reading.size)
    _check_memory(len(layout.frames) * view.rows * view.columns, layout.file)
    remarks: Remarks = {}
    pictures, fov_y_deg = [], []
    for frame, pinhole, focal in zip(layout.frames, pinholes, view.focals, strict=True):
        picture, angle = _read(frame, pinhole, focal, (view.rows, view.columns), remarks)
        pictures.append(picture)
        fov_y_deg.append(angle)
    cameras = posed_cameras(c2w.float(), torch.tensor(fov_y_deg), *pictures[0].size)
    points = layout.points
    if points is not None:
        positions = points.positions.double() @ layout.placement[:3, :3].T + layout.placement[:3, 3]
        near = (positions.abs() < FARTHEST).all(1)
        points = SparsePoints(positions[near].float(), points.colors[near])
    names = tuple(frame.name for frame in layout.frames)
    whole = (layout.placement @ layout.earlier).float()
    images = PosedImages(Picture.cat(pictures), cameras, split, names, whole, points)
    ignored, warnings = (_sentences(remarks, kind) for kind in ("ignored", "warning"))
    if view.remaining < NEARLY_WHOLE:
        warnings.append(
            f"the pictures differ in shape or size, and are cropped to {view.columns} x {view.rows}; of some only "
            f"{view.remaining:.0%} of a side is left"
        )
    return Assembly(images, ignored, warnings)


def _sentences(remarks: Remarks, kind: str) -> list[str]:
    return [
        f"{sentence} ({len(names)} pictures, such as {names[0]})"
        for (of, sentence), names in remarks.items()
        if of == kind
    ]


def _pinhole(frame: Frame) -> Pinhole:
    try:
        return undistorted_pinhole(frame.lens)
    except ValueError as problem:
        raise ConfigError(str(problem), file=display_path(frame.picture)) from None


def _common_view(layout: Layout, pinholes: Sequence[Pinhole], size: int | None) -> CommonView:
    extents = []
    for frame, pinhole in zip(layout.frames, pinholes, strict=True):
        try:
            extents.append(centred_extent(pinhole))
        except ValueError as problem:
            raise ConfigError(str(problem), file=display_path(frame.picture)) from None
    try:
        return common_view(extents, size)
    except ValueError as problem:
        smallest = min(zip(extents, layout.frames, strict=True), key=lambda pair: pair[0].rows)[1]
        raise ConfigError(
            str(problem), key="reading.size" if size else "", file=display_path(smallest.picture)
        ) from None


def _check_memory(pixels: int, file: Path) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    if memory and pixels * BYTES_PER_PIXEL > MEMORY_FRACTION * memory:
        raise ConfigError(
            f"these pictures take {pixels * BYTES_PER_PIXEL / 1e9:.0f} GB of memory, of {memory / 1e9:.0f}",
            key="reading.size", file=display_path(file), hint="read them smaller, for example with reading.size=512",
        )  # fmt: skip


def _read(
    frame: Frame, pinhole: Pinhole, focal: float, shape: tuple[int, int], remarks: Remarks
) -> tuple[Picture, float]:
    """The picture of a frame as a centred pinhole camera sees it, and its vertical angle of view."""
    decoded = decode_picture(frame.picture, upright=frame.upright)
    for kind, sentences in (("ignored", decoded.ignored), ("warning", decoded.warnings)):
        for sentence in sentences:
            remarks.setdefault((kind, sentence), []).append(frame.name)
    size = (frame.lens.pinhole.width, frame.lens.pinhole.height)
    if decoded.size != size:
        raise ConfigError(
            f"the picture is {decoded.size[0]} x {decoded.size[1]}, its camera {size[0]} x {size[1]}",
            file=display_path(frame.picture),
        )
    factor = max(1, int(min(pinhole.focal_x, pinhole.focal_y) / focal / OVERSAMPLING))
    picture = picture_of(decoded.image.reduce(factor) if factor > 1 else decoded.image)
    if frame.mask is not None:
        picture = Picture(picture.color, picture.alpha * _read_mask(frame, decoded, factor))
    lens = frame.lens
    if factor > 1:
        lens, pinhole = lens.reduced(factor), Lens(pinhole).reduced(factor).pinhole
    if lens.distorts:
        picture = undistort(picture, lens, pinhole)
    return pinhole_view(picture, pinhole, focal, shape)


def _read_mask(frame: Frame, decoded: Decoded, factor: int) -> Float[Tensor, "1 H W 1"]:
    assert frame.mask is not None
    mask = decode_picture(frame.mask, upright=frame.upright)
    if mask.size != decoded.size:
        raise ConfigError(
            f"this mask is {mask.size[0]} x {mask.size[1]} pixels and its picture {decoded.size[0]} x "
            f"{decoded.size[1]}", file=display_path(frame.mask), hint="make them alike",
        )  # fmt: skip
    return grey_values(mask.image.reduce(factor) if factor > 1 else mask.image)


def _splits(layout: Layout, hold_out: int) -> tuple[Split, ...]:
    """The files' own splits; if they have none, every n-th picture by name, from the first on, is a test picture."""
    ranked = sorted(range(len(layout.frames)), key=lambda i: layout.frames[i].name)
    has_splits = any(frame.split for frame in layout.frames)
    test_frames = set() if has_splits or not hold_out else set(ranked[::hold_out])
    split = tuple(frame.split or ("test" if i in test_frames else "train") for i, frame in enumerate(layout.frames))
    if "train" not in split:
        raise ConfigError(f"none of the {len(split)} pictures is for training", file=display_path(layout.file))
    return split
