"""Captioned views of nano objects for the oracle prior; `python -m maquette_nano.oracle` writes `nano-views`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from maquette.cameras.base import orbit_cameras
from maquette.data.formats.captioned import CaptionedViews, save_captioned_views
from maquette.data.formats.posed_images import PosedImages, Split
from maquette.images.picture import Picture
from maquette_nano import world
from maquette_nano.posed import SUPERSAMPLE
from maquette_nano.renders import DISTANCE, FOV_DEG

OBJECTS = (  # category, body, detail, pattern, seed: objects that have a front
    ("mug", "red", "blue", "plain", 1),
    ("chair", "green", "orange", "plain", 2),
    ("clock", "yellow", "black", "plain", 3),
    ("car", "red", "white", "dots", 4),
    ("train", "blue", "yellow", "plain", 5),
    ("plane", "purple", "yellow", "stripes", 6),
    ("boat", "brown", "white", "plain", 7),
    ("robot", "grey", "blue", "plain", 8),
    ("cat", "orange", "white", "stripes", 9),
    ("dog", "brown", "black", "plain", 10),
    ("duck", "yellow", "orange", "plain", 11),
    ("fish", "blue", "orange", "stripes", 12),
)
"""The objects of `nano-views`."""


def captioned_views(
    objects: Sequence[world.NanoObject], views: int = 8, size: int = 64, elevation_deg: float = 15.0
) -> CaptionedViews:
    """Unlit views of objects at even azimuths from the front on; a surface point has one colour in all of them.

    Args:
        objects: the objects; each has up to three captions: body colour and category, its caption, and with its detail.
        views: cameras around each.
        size: picture side in pixels.
        elevation_deg: of all cameras.

    Example:
        >>> mug = world.make_object("mug", "red", "blue", "plain", seed=1)
        >>> captioned_views([mug], views=4, size=8).captions
        (('a red mug', 'a red mug with a blue handle'),)
    """
    ones = torch.ones(views)
    cameras = orbit_cameras(
        torch.arange(views) * (360 / views), elevation_deg * ones, DISTANCE * ones, FOV_DEG * ones, size
    )
    pictures = []
    for obj in objects:
        render = world.render(obj, cameras.c2w.numpy(), FOV_DEG, size, SUPERSAMPLE, ambient=1.0, diffuse=0.0)
        pictures.append(render.picture)
    picture = Picture.cat(pictures)
    names = tuple(f"{i:02}-{obj.category}-{view}" for i, obj in enumerate(objects) for view in range(views))
    split: list[Split] = ["train"] * len(picture)
    posed = PosedImages(picture, cameras.cat([cameras] * len(objects)), tuple(split), names)
    captions = tuple(tuple(dict.fromkeys(_captions(obj))) for obj in objects)
    return CaptionedViews(posed, torch.arange(len(objects)).repeat_interleave(views), captions)


def nano_views() -> CaptionedViews:
    """The views of the weights `nano-views`."""
    return captioned_views([world.make_object(*facts) for facts in OBJECTS])


def _captions(obj: world.NanoObject) -> tuple[str, str, str]:
    article = "an" if obj.body[0] in "aeiou" else "a"
    return f"{article} {obj.body} {obj.category}", obj.caption(), obj.caption(name_detail=True)


if __name__ == "__main__":
    print(save_captioned_views(Path(__file__).parent / "weights" / "nano-views", nano_views()))
