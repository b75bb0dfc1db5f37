"""Views of nano objects that the novel-view prior sampled from a picture, for learners of views to volume."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import torch

from maquette.annotations import Count, CountOrNone, WeightsPath
from maquette.cameras.base import orbit_cameras
from maquette.cameras.six_views import AZIMUTHS_DEG, ELEVATIONS_DEG, Layout
from maquette.data.base import Reference
from maquette.images.resampling import downsample
from maquette.priors.base import Request
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws
from maquette.scores.plain import Plain
from maquette.scores.sampling import sample_views
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG

_log = logging.getLogger(f"maquette.{__name__}")  # under maquette: shown where its messages are

REFERENCE_ELEVATION_DEG = (-10.0, 50.0)  # range of elevations that pictures are taken from
VIEWS = 7  # six sampled views, and the picture that they were sampled from


@dataclass(frozen=True)
class SampledViewsConfig:
    """Objects whose views a prior samples, in place of rendered ones."""

    objects: CountOrNone = 0  # training objects with sampled views; 0: none
    prior: WeightsPath = "nano-zero123"  # the novel-view prior
    steps: Count = 4  # sampler steps
    layouts: tuple[Layout, ...] = ("v1.1", "v1.2")  # whose elevations the views have, each for a share of the objects


def sample_chunk(config: SampledViewsConfig, first: int, count: int, size: int) -> tuple[np.ndarray, ...]:
    """Pictures over white [count, 7, size, size, 4] in bytes, opaque; azimuths and elevations [count, 7] in degrees.

    The picture, the last view, shows a training object from a random direction. The others are those of Zero123++.
    """
    prior = Zero123(Zero123.Config(path=config.prior, dtype="float32"))
    rgba = np.full((count, VIEWS, size, size, 4), 255, np.uint8)
    angles = np.empty((2, count, VIEWS), np.float32)
    for i in range(count):
        number = first + i
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([number, 79])))
        azimuth_deg, elevation_deg = rng.uniform(0, 360), rng.uniform(*REFERENCE_ELEVATION_DEG)
        pair = ELEVATIONS_DEG[config.layouts[int(rng.uniform() * len(config.layouts))]]
        angles[0, i] = (azimuth_deg + np.array([*AZIMUTHS_DEG, 0.0])) % 360
        angles[1, i] = [*np.tile(pair, len(AZIMUTHS_DEG) // 2), elevation_deg]
        azimuths, elevations = torch.from_numpy(angles[:, i])
        one = torch.ones(VIEWS)
        cameras = orbit_cameras(azimuths, elevations, DISTANCE * one, FOV_DEG * one, size)
        picture = world.render(world.sample_object(number, "train"), cameras.c2w[-1:].numpy(), FOV_DEG, size).picture
        request = Request("", references=(Reference(picture, cameras[-1:]),))
        sampled = sample_views(prior, request, cameras[:-1], Plain(Plain.Config()), config.steps, Draws(0, number), 1.0)
        images = torch.cat([downsample(sampled.cpu(), size), picture.over(1.0)])
        rgba[i, ..., :3] = (images * 255 + 0.5).clamp(0, 255).byte().numpy()
    return rgba, angles[0], angles[1]
