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
TEST_AZIMUTH_OFFSET_DEG = 220.0  # of the test spiral: keeps 16 test views 8 degrees or more from 48 training views
SUPERSAMPLE = 4  # rays per pixel side


def posed_object(obj: world.NanoObject | int, views: int = 48, size: int = 64, test_views: int = 16) -> PosedImages:
    """Unlit views of an object from all around; a surface point has the same colour in all of them.

    Args:
        obj: an object, or the number of an object of the training split.
        views: pictures for training, spread evenly over the sphere between elevations of -30 and 75 degrees.
        size: picture side in pixels.
        test_views: held-out pictures, spread in the same way from other directions.

    Returns:
        Pictures, those for training first, with cameras at distance 3.2 and an angle of view of 35 degrees.

    Example:
        >>> mug = world.make_object("mug", "red", "blue", "plain", seed=1)
        >>> images = posed_object(mug, views=4, size=8, test_views=2)
        >>> len(images), images.picture.size, images.split.count("test")
        (6, (8, 8), 2)
    """
    obj = world.sample_object(obj, "train") if isinstance(obj, int) else obj
    cameras = Cameras.cat([spiral_cameras(views, size, 0.0), spiral_cameras(test_views, size, TEST_AZIMUTH_OFFSET_DEG)])
    render = world.render(obj, cameras.c2w.numpy(), FOV_DEG, size, SUPERSAMPLE, ambient=1.0, diffuse=0.0)
    counts: dict[Split, int] = {"train": views, "test": test_views}
    split_indices = [(split, i) for split, count in counts.items() for i in range(count)]
    names = tuple(f"{split}-{i:03}" for split, i in split_indices)
    return PosedImages(render.picture, cameras, tuple(split for split, _ in split_indices), names)


def spiral_cameras(views: int, size: int, azimuth_offset_deg: float) -> Cameras:
    """Cameras on a Fibonacci spiral between the elevations, of even density in area.

    Source: Gonzalez 2010 (arXiv 0912.4540), sec. 3: sines of latitudes in even steps, longitudes by the golden angle.
    """
    low, high = (math.sin(math.radians(limit)) for limit in ELEVATION_DEG)
    index = torch.arange(views) + 0.5
    elevation_deg = torch.rad2deg(torch.asin(low + (high - low) * index / views))
    azimuth_deg = (index * GOLDEN_ANGLE_DEG + azimuth_offset_deg) % 360
    ones = torch.ones(views)
    return orbit_cameras(azimuth_deg, elevation_deg, DISTANCE * ones, FOV_DEG * ones, size)
