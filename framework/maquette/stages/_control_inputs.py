"""The rendering as the control inputs of a prior."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.kernels.precision import in_float32
from maquette.priors.base import ControlInputs
from maquette.renderers.base import Rendering


@in_float32
def camera_normals(normal: Float[Tensor, "B H W 3"], cameras: Cameras) -> Float[Tensor, "B H W 3"]:
    """World normals in the frame of each camera: x right, y up, z to the viewer."""
    return normal @ cameras.c2w[:, None, :3, :3].to(normal)  # c2w's columns are the camera's axes


@torch.no_grad()
def control_inputs(rendering: Rendering, cameras: Cameras) -> ControlInputs:
    """Colour, opacity, depth along the viewing axis and camera-space normals of a rendering, without gradients."""
    directions = cameras.rays()[1]
    slant = -(directions * cameras.c2w[:, None, None, :3, 2]).sum(-1, keepdim=True)  # the cosine to the viewing axis
    normal = None if rendering.normal is None else camera_normals(rendering.normal, cameras).detach()
    depth = rendering.depth * slant.to(rendering.depth)
    return ControlInputs(rendering.rgb.detach(), rendering.opacity.detach(), depth.detach(), normal)
