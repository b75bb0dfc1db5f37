"""Reference attention: the self-attention of a UNet extended to the hidden states of a reference picture.

The UNet runs twice at the same noise level. On the reference, the inputs of every self-attention are stored; on the
noisy picture, every self-attention attends to its own input and the stored one.

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
"""(layer, its hidden states [B, L, C]) -> the states that it attends to [B, M, C]."""


class SelfAttention:
    """An attention processor that attends to the states that an exchange returns for its input.

    Args:
        inner: the processor that computes the attention.
        layer: name of the layer in the UNet.
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
    """An attention processor that ignores the exchange and calls the inner one."""

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


def enable_reference_attention(unet: Any, inner: Any = None) -> None:
    """Set the attention processors of a UNet2DConditionModel that `run_unet_with_reference` needs, in place.

    Args:
        inner: the attention processor that computes the attention; None: torch's fused one.
    """
    from diffusers.models.attention_processor import AttnProcessor2_0

    inner = inner or AttnProcessor2_0()
    unet.set_attn_processor(
        {
            name: SelfAttention(inner, name) if name.endswith("attn1.processor") else CrossAttention(inner)
            for name in unet.attn_processors
        }
    )


def run_unet_with_reference(
    unet: Any,
    inputs: Float[Tensor, "B C H W"],
    reference: Float[Tensor, "B C h w"],
    t: Int[Tensor, " B"],
    text: Float[Tensor, "B L D"],
    dtype: torch.dtype,
) -> Float[Tensor, "B C H W"]:
    """The UNet's output for noisy pictures with reference attention, in float32.

    Args:
        inputs: noisy pictures or latents.
        reference: the references at the same noise level, of any size.
        text: embeddings for the cross-attention of both runs.
        dtype: of the arithmetic.
    """

    def run(pictures: Tensor, conditioning: dict[str, Exchange]) -> Tensor:
        return run_unet(unet, pictures, t, text, dtype, cross_attention_kwargs=conditioning)

    return run_with_reference(run, inputs, reference)


def run_with_reference(
    run: Callable[[Float[Tensor, "B C H W"], dict[str, Exchange]], Tensor],
    inputs: Float[Tensor, "B C H W"],
    reference: Float[Tensor, "B C h w"],
) -> Float[Tensor, "B C H W"]:
    """A UNet's output for `inputs` with reference attention to `reference`; differentiable.

    Args:
        run: (pictures, keyword arguments of the attention processors) -> the UNet's output.
    """
    reference_states: dict[str, Tensor] = {}

    def store(layer: str, states: Tensor) -> Tensor:
        reference_states[layer] = states
        return states

    def concatenate(layer: str, states: Tensor) -> Tensor:
        return torch.cat([states, reference_states.pop(layer)], dim=1)

    run(reference, {"exchange": store})
    return run(inputs, {"exchange": concatenate})
