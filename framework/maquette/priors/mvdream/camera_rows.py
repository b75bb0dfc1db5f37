"""Camera conditions of MVDream.

Cameras enter a UNet2DConditionModel of diffusers through its class embedding of type "projection", which is MVDream's
camera embedding (linear, SiLU, linear, added to that of the timestep).

Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), sec. 3.1 and its code.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from maquette.cameras.base import Cameras
from maquette.weights.families import CAMERA_CLASSES

CAMERA_CONFIG = CAMERA_CLASSES
"""Config of a UNet2DConditionModel that takes cameras as `class_labels` [B, 16]."""


def camera_rows(cameras: Cameras) -> Float[Tensor, "B 16"]:
    """The camera condition of MVDream: camera-to-world matrices at unit distance, row by row.

    MVDream's axes are the same as maquette's: z up, and OpenGL camera axes.

    Example:
        >>> import torch
        >>> from maquette.cameras import orbit_cameras
        >>> one = torch.ones(1)
        >>> camera_rows(orbit_cameras(0 * one, 0 * one, 3 * one, 40 * one, 8)).view(4, 4)
        tensor([[0., 0., 1., 1.],
                [1., 0., 0., 0.],
                [0., 1., 0., 0.],
                [0., 0., 0., 1.]])
    """
    c2w = cameras.c2w.clone()
    c2w[:, :3, 3] = normalize(c2w[:, :3, 3], dim=-1)
    return c2w.flatten(1)
