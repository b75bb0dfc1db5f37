"""Photographs of landscapes: a picture and its label map, and nothing of where the camera stood."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.images.resampling import downsample
from maquette.kernels.height_field import GROUND
from maquette.landscapes import Landscape, WorldConfig
from maquette.landscapes.views import PoseRange, draw_camera, look
from maquette.randomness import Draws
from maquette_nano.landscapes.shading import Style, developed, normals, shade

WORLD = WorldConfig(size=256, scale=0.25, levels=128, tree_scale=0.3, tree_density=0.3, unbounded=True, relief=True)
POSES = PoseRange(scale=0.25)
REACH = 600.0  # cells
SAMPLES = 2  # rays along a side of a pixel


def photograph(scene: Landscape, draws: Draws, side: int) -> tuple[Float[Tensor, "H W 3"], Int[Tensor, "H W"]]:
    """One photograph of a landscape from a random pose in a random style, and its labels."""
    camera, view = draw_camera(scene, draws, side, side, POSES, REACH)
    fine = look(scene, camera.resized(side * SAMPLES), REACH)
    light = shade(scene, fine, Style.draw(draws))
    return downsample(developed(light)[None], side)[0], view.labels


def facts(scene: Landscape, draws: Draws, side: int) -> Float[Tensor, " 2"]:
    """Of the photograph with the same draws: the elevation of the sun, in degrees, and the mean slope, in degrees.

    The slope is that of the ground in view; 0 where there is none.
    """
    view = draw_camera(scene, draws, side, side, POSES, REACH)[1]
    ground = view.kind == GROUND
    up = normals(scene, view.points[ground], view.kind[ground])[:, 2]
    slope_deg = torch.rad2deg(up.clamp(-1, 1).acos()).mean() if len(up) else torch.zeros(())
    return torch.stack([torch.tensor(Style.draw(draws).sun_deg), slope_deg])
