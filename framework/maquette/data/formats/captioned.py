"""Posed, captioned images of several objects: a folder of posed images with a file `captions.json`."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.data.formats.cameras_json import save_posed_images
from maquette.data.formats.frames import Reading
from maquette.data.formats.loading import load_posed_images
from maquette.data.formats.parsing import parse_typed, read_json
from maquette.data.formats.posed_images import PosedImages, Split
from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path
from maquette.images.picture import Picture

FILE, FORMAT, VERSION = "captions.json", "maquette-captions", 1


@dataclass(frozen=True)
class CaptionedViews:
    """N pictures of J objects.

    Args:
        images: the pictures with their cameras; all objects face +x.
        objects: which object each picture shows [N], 0 to J - 1.
        captions: one or more texts for each object, J tuples; several objects may share a text.

    Example:
        >>> from maquette.cameras import orbit_cameras
        >>> ones = torch.ones(4)
        >>> cameras = orbit_cameras(torch.arange(4) * 90.0, 0 * ones, 3 * ones, 40 * ones, 8)
        >>> pictures = {"a red mug": torch.rand(4, 8, 8, 3), "a cat": torch.rand(4, 8, 8, 3)}
        >>> views = CaptionedViews.from_pictures(pictures, cameras)
        >>> len(views.images), views.objects.tolist(), views.captions
        (8, [0, 0, 0, 0, 1, 1, 1, 1], (('a red mug',), ('a cat',)))
    """

    images: PosedImages
    objects: Int[Tensor, " N"]
    captions: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        counts = torch.bincount(self.objects, minlength=len(self.captions)).tolist()
        if len(self.objects) != len(self.images) or len(counts) != len(self.captions) or 0 in counts:
            raise ValueError(
                f"{len(self.images)} pictures with {len(self.objects)} object numbers, {counts} of each, "
                f"and captions of {len(self.captions)} objects"
            )
        if not all(self.captions):
            raise ValueError("an object has no caption")

    @staticmethod
    def from_pictures(pictures: Mapping[str, Float[Tensor, "V H W 3"]], cameras: Cameras) -> CaptionedViews:
        """One object per caption, each with pictures from the same V cameras."""
        count = len(cameras)
        picture = Picture.opaque(torch.cat(list(pictures.values())))
        names = tuple(f"{caption}/{i}" for caption in pictures for i in range(count))
        split: list[Split] = ["train"] * len(picture)
        images = PosedImages(picture, Cameras.cat([cameras] * len(pictures)), tuple(split), names)
        objects = torch.arange(len(pictures)).repeat_interleave(count)
        return CaptionedViews(images, objects, tuple((caption,) for caption in pictures))

    def resized(self, size: int) -> CaptionedViews:
        """The views with pictures of `size` rows; see `PosedImages.resized`."""
        return dataclasses.replace(self, images=self.images.resized(size))


@dataclass(frozen=True)
class ObjectEntry:
    """One object in the file."""

    captions: list[str]
    pictures: list[str]  # their names in the file of cameras


@dataclass(frozen=True)
class CaptionsFile:
    """The whole file."""

    format: str
    version: int
    objects: list[ObjectEntry]


def load_captioned_views(folder: Path | str, reading: Reading | None = None) -> CaptionedViews:
    """The captioned views in a folder; docs/oracle.md shows the file.

    Args:
        folder: posed images in any format that `load_posed_images` reads, with `captions.json`.
        reading: size and placement of the pictures; None: the defaults.

    Raises:
        ConfigError: whatever is wrong with the files, by name and place.
    """
    path = Path(folder) / FILE
    images = load_posed_images(folder, reading)
    if not path.is_file():
        raise ConfigError(f"there is no {display_path(path)}", hint="docs/oracle.md shows what it says")
    data = read_json(path)
    for name, expected in (("format", FORMAT), ("version", VERSION)):
        if data.get(name) != expected:
            raise ConfigError(f"expected {expected!r}, got {data.get(name)!r}", key=name, file=display_path(path))
    content: CaptionsFile = parse_typed(CaptionsFile, data, "", path)
    owner: dict[str, int] = {}
    for i, entry in enumerate(content.objects):
        if not entry.captions or not entry.pictures:
            raise ConfigError("an object needs captions and pictures", key=f"objects.{i}", file=display_path(path))
        for picture in entry.pictures:
            if owner.setdefault(picture, i) != i:
                raise ConfigError(
                    f"{picture!r} is of object {owner[picture]} already", key=f"objects.{i}", file=display_path(path)
                )
    _check_names(set(owner), set(images.names), path)
    objects = torch.tensor([owner[name] for name in images.names])
    return CaptionedViews(images, objects, tuple(tuple(entry.captions) for entry in content.objects))


def _check_names(captioned: set[str], available: set[str], path: Path) -> None:
    for names, what in (
        (captioned - available, "no picture is called"),
        (available - captioned, "no object has the picture"),
    ):
        if names:
            listing = ", ".join(repr(name) for name in sorted(names)[:3])
            raise ConfigError(f"{what} {listing}", key="objects", file=display_path(path))


def save_captioned_views(folder: Path | str, views: CaptionedViews) -> Path:
    """Write a set as `cameras.json`, `captions.json` and PNG pictures; it reads back as it was, colours at 8 bits.

    Returns:
        The folder.
    """
    folder = Path(folder)
    save_posed_images(folder, views.images)
    entries = [
        json.dumps({"captions": list(captions), "pictures": [
            name for name, owner in zip(views.images.names, views.objects.tolist(), strict=True) if owner == i
        ]})
        for i, captions in enumerate(views.captions)
    ]  # fmt: skip
    head = json.dumps({"format": FORMAT, "version": VERSION})[:-1]
    lines = ",\n".join(f"    {entry}" for entry in entries)
    with atomic_path(folder / FILE) as path:
        path.write_text(f'{head}, "objects": [\n{lines}\n]}}\n', encoding="utf-8")
    return folder
