"""Self-attention over several views of an object.

A batch is groups of `views` consecutive pictures, each group one object at one noise level.

Source: Shi et al. 2023 (MVDream, arXiv 2308.16512), sec. 3.1 and its code.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError


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


def join_views(unet: Any, views: int, inner: Any = None) -> None:
    """Make every self-attention of a UNet2DConditionModel run over groups of `views` pictures, in place.

    Args:
        unet: to change.
        views: pictures of a group.
        inner: the processor that computes all attention; None: torch's `scaled_dot_product_attention`.
    """
    from diffusers.models.attention_processor import AttnProcessor2_0

    inner = inner or AttnProcessor2_0()
    joint = JointViews(inner, views)
    names = unet.attn_processors
    unet.set_attn_processor({name: joint if name.endswith("attn1.processor") else inner for name in names})


def check_groups(count: int, views: int) -> None:
    """Raises ConfigError: `count` pictures are not whole groups of `views`."""
    if count % views:
        raise ConfigError(
            f"{count} pictures are not groups of {views}", key="prior.views",
            hint="let the cameras come in multiples of it (multiview-orbit)",
        )  # fmt: skip
