"""Multi-view self-attention and camera embeddings for a text-to-image UNet.

A batch is groups of `views` consecutive pictures, each group one object at one noise level. The network is a
UNet2DConditionModel of diffusers: cameras enter through its class embedding of type "projection", which is MVDream's
camera embedding (linear, SiLU, linear, added to that of the timestep).

Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), sec. 3.1 and its code.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from maquette.cameras.base import Cameras
from maquette.weights.families import CAMERA_CLASSES

CAMERA_CONFIG = CAMERA_CLASSES
"""Config of a UNet2DConditionModel that takes cameras as `class_labels` [B, 16]."""


class JointViews:
    """An attention processor for self-attention over all pixels of `views` consecutive pictures.

    Args:
        inner: the processor that computes the attention.
        views: pictures of a group.
    """

    def __init__(self, inner: Any, views: int) -> None:
        self.inner, self.views = inner, views

    def __call__(self, attn: Any, hidden_states: Float[Tensor, "B L C"], *args: Any, **kwargs: Any) -> Tensor:
        grouped = hidden_states.unflatten(0, (-1, self.views)).flatten(1, 2)  # [B / views, views L, C]
        return self.inner(attn, grouped, *args, **kwargs).view_as(hidden_states)


def join_views(unet: Any, views: int) -> None:
    """Make every self-attention of a UNet2DConditionModel run over groups of `views` pictures, in place.

    Attention is computed by torch's `scaled_dot_product_attention`.
    """
    from diffusers.models.attention_processor import AttnProcessor2_0

    inner = AttnProcessor2_0()
    joint = JointViews(inner, views)
    names = unet.attn_processors
    unet.set_attn_processor({name: joint if name.endswith("attn1.processor") else inner for name in names})


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
