"""Stable Diffusion XL, the base model: two text encoders, a pooled text embedding, and size conditioning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from maquette.errors import ConfigError
from maquette.perception.tokens import token_ids
from maquette.priors.text.text_to_image import TextPart, TextToImage, TextToImageConfig
from maquette.priors.text.textual_inversion import expand_tokens, read_embeddings
from maquette.registry import register

SIZES = 6  # of the size conditioning: original height and width, top and left of the crop, target height and width


@register("prior", "stable-diffusion-xl")
class StableDiffusionXL(TextToImage):
    """A latent text-to-image model with the embeddings of two CLIP text encoders.

    A condition has one embedding per token and, as the last row, the pooled embedding padded with zeros. The size
    conditioning is that of an uncropped picture of the prior's size. With `force_zeros_for_empty_prompt` in the model's
    index, the empty text is zeros. The refiner is not supported.

    Source: Podell et al. 2023 (SDXL, arXiv 2307.01952), sec. 2.1 and 2.2; texts as in diffusers'
    StableDiffusionXLPipeline.
    """

    Config = TextToImageConfig
    encoders = ("CLIPTextModel", "CLIPTextModelWithProjection")
    text_parts = (
        TextPart("tokenizer", "text_encoder", "clip_l"),
        TextPart("tokenizer_2", "text_encoder_2", "clip_g"),
    )

    def __init__(self, config: TextToImageConfig) -> None:
        super().__init__(config)
        c = self.unet.config
        if c.addition_embed_type != "text_time":
            raise ConfigError(f"the UNet of {config.path!r} has no size conditioning, as SDXL's has", key="prior.path")
        self._pooled: int = c.projection_class_embeddings_input_dim - SIZES * c.addition_time_embed_dim
        self._zeros: bool = self.index.get("force_zeros_for_empty_prompt", True)

    def text_encoder_id(self, words: Sequence[Path]) -> str:
        return f"{super().text_encoder_id(words)} {'zeros' if self._zeros else ''}"

    def encode_texts(self, words: Sequence[Path], texts: Sequence[str]) -> Float[Tensor, "n rows D"]:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection

        learned = [read_embeddings(path, "clip_l") for path in words]
        tokenizer, encoder, token_words = self.load_text_encoder(CLIPTextModel, "tokenizer", "text_encoder", learned)
        first = encoder(token_ids(tokenizer, encoder, expand_tokens(texts, token_words)), output_hidden_states=True)
        learned = [read_embeddings(path, "clip_g") for path in words]
        tokenizer, encoder, token_words = self.load_text_encoder(
            CLIPTextModelWithProjection, "tokenizer_2", "text_encoder_2", learned
        )
        second = encoder(token_ids(tokenizer, encoder, expand_tokens(texts, token_words)), output_hidden_states=True)
        rows = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        pooled = pad(second.text_embeds, (0, rows.shape[-1] - self._pooled))
        embeddings = torch.cat([rows, pooled[:, None]], dim=1)
        blank = torch.tensor([self._zeros and text == "" for text in texts])
        return embeddings.masked_fill(blank[:, None, None], 0.0)

    def unet_inputs(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: Float[Tensor, "B rows D"]
    ) -> tuple[Float[Tensor, "B L D"], dict[str, Any]]:
        side = float(self.size)
        sizes = condition.new_tensor([side, side, 0.0, 0.0, side, side]).expand(len(condition), SIZES)
        added = {"text_embeds": condition[:, -1, : self._pooled], "time_ids": sizes}
        return condition[:, :-1], {"added_cond_kwargs": added}
