"""Text-to-image diffusion models in diffusers' layout: SD 1.x and 2.x, and pixel-space models with the same parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from maquette.config.capabilities import NEW_WORD, Capabilities
from maquette.priors.text.clip_texts import clip_embeddings
from maquette.priors.text.new_words import NewWord
from maquette.priors.text.text_to_image import TextToImage, TextToImageConfig
from maquette.priors.text.textual_inversion import LearnedEmbeddings, expand_tokens, read_embeddings
from maquette.registry import register


@register("prior", "stable-diffusion")
class StableDiffusion(TextToImage):
    """A text-to-image diffusion model with one CLIP text encoder, in latent or pixel space.

    Source: Rombach et al. 2022 (arXiv 2112.10752); view-dependent text: Poole et al. 2022 (arXiv 2209.14988), sec. 3.2.
    """

    Config = TextToImageConfig
    encoders = ("CLIPTextModel",)

    @classmethod
    def capabilities(cls, config: TextToImageConfig) -> Capabilities:
        return super().capabilities(config).giving(NEW_WORD)

    def encode_texts(self, words: Sequence[Path], texts: Sequence[str]) -> Float[Tensor, "n L D"]:
        tokenizer, encoder, token_words = self._load_text_encoder([read_embeddings(path) for path in words])
        return clip_embeddings(tokenizer, encoder, expand_tokens(texts, token_words))

    def trainable_word(self, token: str, meaning: str) -> NewWord:
        tokenizer, encoder, _ = self._load_text_encoder([])
        return NewWord(tokenizer, encoder.to(self.device), token, meaning, self.network)

    def _load_text_encoder(self, learned: Sequence[LearnedEmbeddings]) -> tuple[Any, Any, dict[str, str]]:
        from transformers import CLIPTextModel

        return self.load_text_encoder(CLIPTextModel, "tokenizer", "text_encoder", learned)
