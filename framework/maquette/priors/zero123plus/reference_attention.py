"""A UNet that sees a picture beside the one it denoises: its self-attention runs over both.

The UNet runs twice at the same noise level. On the reference, every self-attention hands over what it sees; on the
noisy picture, it attends to that as well.

Source: Shi et al. 2023 (Zero123++, arXiv 2310.15110), sec. 2.2 and its code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.weights.diffusers_folder import run_unet

Exchange: TypeAlias = Callable[[str, Tensor], Tensor]
"""(layer, what it sees [B, L, C]) -> what it attends to [B, M, C]."""


class SelfAttention:
    """An attention processor that attends to what an exchange makes of its input.

    Args:
        inner: the processor that does the arithmetic.
        layer: its name in the UNet.
    """

    def __init__(self, inner: Any, layer: str) -> None:
        self.inner, self.layer = inner, layer

    def __call__(
        self,
        attn: Any,
        hidden_states: Float[Tensor, "B L C"],
        encoder_hidden_states: None = None,
        attention_mask: Tensor | None = None,
        *,
        exchange: Exchange,
    ) -> Tensor:
        return self.inner(attn, hidden_states, exchange(self.layer, hidden_states), attention_mask)


class CrossAttention:
    """The inner processor, which an exchange does not concern."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(
        self,
        attn: Any,
        hidden_states: Float[Tensor, "B L C"],
        encoder_hidden_states: Float[Tensor, "B N D"] | None = None,
        attention_mask: Tensor | None = None,
        *,
        exchange: Exchange,
    ) -> Tensor:
        return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask)


def let_references_in(unet: Any, inner: Any = None) -> None:
    """Make a UNet2DConditionModel one that `run_beside` can run; it is changed in place.

    Args:
        inner: the attention processor that does the arithmetic; None: torch's fused one.
    """
    from diffusers.models.attention_processor import AttnProcessor2_0

    inner = inner or AttnProcessor2_0()
    unet.set_attn_processor(
        {
            name: SelfAttention(inner, name) if name.endswith("attn1.processor") else CrossAttention(inner)
            for name in unet.attn_processors
        }
    )


def run_beside(
    unet: Any,
    inputs: Float[Tensor, "B C H W"],
    reference: Float[Tensor, "B C h w"],
    t: Int[Tensor, " B"],
    text: Float[Tensor, "B L D"],
    dtype: torch.dtype,
) -> Float[Tensor, "B C H W"]:
    """What the UNet gives for noisy pictures beside their references, in float32.

    Args:
        inputs: noisy pictures or latents.
        reference: the references at the same noise level, of any size.
        text: embeddings that both attend to.
        dtype: of the arithmetic.
    """

    def run(pictures: Tensor, conditioning: dict[str, Exchange]) -> Tensor:
        return run_unet(unet, pictures, t, text, dtype, cross_attention_kwargs=conditioning)

    return beside(run, inputs, reference)


def beside(
    run: Callable[[Float[Tensor, "B C H W"], dict[str, Exchange]], Tensor],
    inputs: Float[Tensor, "B C H W"],
    reference: Float[Tensor, "B C h w"],
) -> Float[Tensor, "B C H W"]:
    """What a UNet that lets references in gives for `inputs` beside `reference`; differentiable.

    Args:
        run: (pictures, conditioning of the attention layers) -> what the UNet gives.
    """
    seen: dict[str, Tensor] = {}

    def keep(layer: str, states: Tensor) -> Tensor:
        seen[layer] = states
        return states

    def join(layer: str, states: Tensor) -> Tensor:
        return torch.cat([states, seen.pop(layer)], dim=1)

    run(reference, {"exchange": keep})
    return run(inputs, {"exchange": join})
