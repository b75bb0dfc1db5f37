"""Posed images of a nano object, for fitting representations without a prior."""

from __future__ import annotations

import math

import torch

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.data.formats import PosedImages, Split
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG

ELEVATION_DEG = (-30.0, 75.0)  # of the cameras
GOLDEN_ANGLE_DEG = 180 * (3 - math.sqrt(5))
TEST_TURN_DEG = 220.0  # between the two spirals: of 48 and 16 views, test views stand 8 degrees or more from the others
SUPERSAMPLE = 4  # rays per pixel side


def posed_object(thing: world.NanoObject | int, views: int = 48, size: int = 64, test_views: int = 16) -> PosedImages:
    """Views of an object from around it, without light, so that a point has one colour in all of them.

    Args:
        thing: an object, or the number of one of the training split.
        views: pictures for training, spread evenly over the sphere between elevations of -30 and 75 degrees.
        size: picture side in pixels.
        test_views: held-out pictures, spread likewise and from elsewhere.

    Returns:
        Pictures, those for training first, with cameras at distance 3.2 and an angle of view of 35 degrees.

    Example:
        >>> mug = world.make_object("mug", "red", "blue", "plain", seed=1)
        >>> images = posed_object(mug, views=4, size=8, test_views=2)
        >>> len(images), images.picture.size, images.split.count("test")
        (6, (8, 8), 2)
    """
    thing = world.sample_object(thing, "train") if isinstance(thing, int) else thing
    cameras = Cameras.cat([spiral(views, size, 0.0), spiral(test_views, size, TEST_TURN_DEG)])
    seen = world.render(thing, cameras.c2w.numpy(), FOV_DEG, size, SUPERSAMPLE, ambient=1.0, diffuse=0.0)
    counts: dict[Split, int] = {"train": views, "test": test_views}
    places = [(split, i) for split, count in counts.items() for i in range(count)]
    names = tuple(f"{split}-{i:03}" for split, i in places)
    return PosedImages(seen.picture, cameras, tuple(split for split, _ in places), names)


def spiral(views: int, size: int, turn_deg: float) -> Cameras:
    """Cameras on a Fibonacci spiral between the elevations, of even density in area.

    Source: Gonzalez 2010 (arXiv 0912.4540), sec. 3: sines of latitudes in even steps, longitudes by the golden angle.
    """
    low, high = (math.sin(math.radians(limit)) for limit in ELEVATION_DEG)
    step = torch.arange(views) + 0.5
    elevation_deg = torch.rad2deg(torch.asin(low + (high - low) * step / views))
    azimuth_deg = (step * GOLDEN_ANGLE_DEG + turn_deg) % 360
    ones = torch.ones(views)
    return orbit_cameras(azimuth_deg, elevation_deg, DISTANCE * ones, FOV_DEG * ones, size)
