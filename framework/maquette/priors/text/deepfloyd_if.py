"""DeepFloyd IF, first stage: text-to-image at 64 x 64 pixels with a T5 text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from torch import Tensor

from maquette.errors import MissingDependency
from maquette.perception.tokens import tokenize
from maquette.priors.base import Request
from maquette.priors.text.conditions import TextConditions
from maquette.priors.text.text_to_image import TextPart, TextToImage, TextToImageConfig
from maquette.priors.text.textual_inversion import expand_tokens, read_embeddings
from maquette.registry import register

TOKENS = 77  # length of a text in training


@register("prior", "deepfloyd-if")
class DeepFloydIF(TextToImage):
    """A text-to-image model in pixel space. Texts and learned words are converted to lower case, as in its training.

    Its text encoder, T5-XXL, runs on the CPU in float32 (19 GB) and is freed before the first step; embeddings are
    cached on disk.

    Source: github.com/deep-floyd/IF; Saharia et al. 2022 (Imagen, arXiv 2205.11487), sec. 2; texts as in diffusers'
    IFPipeline, without its cleaning of captions from the web.
    """

    Config = TextToImageConfig
    encoders = ("T5EncoderModel",)
    text_parts = (TextPart("tokenizer", "text_encoder", length=TOKENS),)

    def prepare_text(self, text: str) -> str:
        return text.lower().strip()

    def encode_texts(self, words: Sequence[Path], texts: Sequence[str]) -> Float[Tensor, "n L D"]:
        from transformers import T5EncoderModel

        files = [read_embeddings(path) for path in words]
        learned = [{token.lower(): vectors for token, vectors in file.items()} for file in files]
        tokenizer, encoder, token_words = self.load_text_encoder(T5EncoderModel, "tokenizer", "text_encoder", learned)
        return t5_embeddings(
            tokenizer, encoder, expand_tokens([self.prepare_text(text) for text in texts], token_words)
        )

    def condition(self, request: Request) -> TextConditions:
        self._refuse_unreadable_tokens()
        return super().condition(request)

    def _refuse_unreadable_tokens(self) -> None:
        from transformers.utils import is_protobuf_available, is_sentencepiece_available

        readable = is_sentencepiece_available() and is_protobuf_available()
        if not readable and self.weights.find("tokenizer/tokenizer.json") is None:
            raise MissingDependency(
                f"the tokenizer of {self.config.path!r} is a SentencePiece file, and reading one needs sentencepiece "
                "and protobuf: pip install 'maquette[t5]'"
            )


def t5_embeddings(tokenizer: Any, encoder: Any, texts: Sequence[str]) -> Float[Tensor, "n 77 D"]:
    """The last hidden states of a T5 encoder, with padding masked in its attention."""
    tokens = tokenize(tokenizer, texts, TOKENS)
    return encoder(tokens.input_ids, attention_mask=tokens.attention_mask).last_hidden_state
