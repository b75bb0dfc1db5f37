"""Stable Diffusion XL, the base model: two text encoders, a pooled text, and the size of the picture told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from maquette.errors import ConfigError
from maquette.perception.tokens import tokenize
from maquette.priors.text.text_to_image import TextToImage, TextToImageConfig
from maquette.priors.text.textual_inversion import read_embeddings, spelled_out
from maquette.registry import register

SIZES = 6  # numbers told: height and width before cropping, top and left of the crop, height and width wanted


@register("prior", "stable-diffusion-xl")
class StableDiffusionXL(TextToImage):
    """A latent text-to-image model that attends to what two CLIP encoders make of a text.

    A condition is one embedding per token and, as the last row, the pooled embedding, filled up with zeros. Of sizes
    the model is told those of a whole, uncropped picture of the side that it is given. Where the model says so
    (`force_zeros_for_empty_prompt`), the empty text is zeros. The refiner is not for this prior.

    Source: Podell et al. 2023 (SDXL, arXiv 2307.01952), sec. 2.1 and 2.2; texts as in diffusers'
    StableDiffusionXLPipeline.
    """

    Config = TextToImageConfig
    encoders = ("CLIPTextModel", "CLIPTextModelWithProjection")

    def __init__(self, config: TextToImageConfig) -> None:
        super().__init__(config)
        c = self.unet.config
        if c.addition_embed_type != "text_time":
            raise ConfigError(f"the UNet of {config.path!r} is not told sizes, as SDXL's is", key="prior.path")
        self._pooled: int = c.projection_class_embeddings_input_dim - SIZES * c.addition_time_embed_dim
        self._zeros: bool = self.index.get("force_zeros_for_empty_prompt", True)

    def text_identity(self, words: Sequence[Path]) -> str:
        return f"{super().text_identity(words)} {'zeros' if self._zeros else ''}"

    def embed(self, words: Sequence[Path], texts: Sequence[str]) -> Float[Tensor, "n L+1 D"]:
        from transformers import CLIPTextModel, CLIPTextModelWithProjection

        learned = [read_embeddings(path, "clip_l") for path in words]
        tokenizer, encoder, spelled = self.reader(CLIPTextModel, "tokenizer", "text_encoder", learned)
        first = encoder(tokenize(tokenizer, spelled_out(texts, spelled)).input_ids, output_hidden_states=True)
        learned = [read_embeddings(path, "clip_g") for path in words]
        tokenizer, encoder, spelled = self.reader(CLIPTextModelWithProjection, "tokenizer_2", "text_encoder_2", learned)
        second = encoder(tokenize(tokenizer, spelled_out(texts, spelled)).input_ids, output_hidden_states=True)
        rows = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        pooled = pad(second.text_embeds, (0, rows.shape[-1] - self._pooled))
        embeddings = torch.cat([rows, pooled[:, None]], dim=1)
        blank = torch.tensor([self._zeros and text == "" for text in texts])
        return embeddings.masked_fill(blank[:, None, None], 0.0)

    def unet_inputs(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: Float[Tensor, "B L+1 D"]
    ) -> tuple[Float[Tensor, "B L D"], dict[str, Any]]:
        side = float(self.size)
        sizes = condition.new_tensor([side, side, 0.0, 0.0, side, side]).expand(len(condition), SIZES)
        added = {"text_embeds": condition[:, -1, : self._pooled], "time_ids": sizes}
        return condition[:, :-1], {"added_cond_kwargs": added}
