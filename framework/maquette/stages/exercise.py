"""Tiny inputs that run the kernels of stages, so that they are compiled before they are needed."""

from __future__ import annotations

import torch

from maquette.cameras.base import orbit_cameras
from maquette.data.formats import PosedImages
from maquette.images.picture import Picture
from maquette.randomness import Draws, Moment
from maquette.renderers.base import View
from maquette.scene import Scene

SIZE = 16  # pixels a side


def exercise_scene(scene: Scene) -> PosedImages:
    """Render a scene from two sides, forwards and backwards; returns the pictures."""
    moment = Moment(0, 1, Draws(0, 0, "warm-up/"))
    two, eye = torch.ones(2), scene.view
    azimuth_deg = torch.tensor([0.0, 180.0])
    cameras = orbit_cameras(azimuth_deg, 15 * two, eye.distance * two, eye.fov_y_deg * two, SIZE)
    scene.geometry.prepare(moment)
    scene.renderer.update(scene.geometry, moment)
    view = View(cameras, normals=True, draws=moment.draws)
    rendering = scene.renderer.render(scene.geometry, scene.material, scene.background, view)
    total = rendering.rgb.mean() + rendering.opacity.mean() + rendering.depth.mean()
    if rendering.normal is not None:
        total = total + rendering.normal.mean()
    total.backward()
    picture = Picture.from_composited(
        rendering.rgb.detach().clamp(0, 1), rendering.opacity.detach().clamp(0, 1), rendering.background.detach()
    )
    return PosedImages(picture, cameras, ("train", "train"), ("front", "back"))
