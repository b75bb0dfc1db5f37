"""Textual inversion in a CLIP text encoder: a new token with a trainable embedding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from maquette.errors import ConfigError
from maquette.perception.tokens import token_ids
from maquette.priors.base import TrainableWord
from maquette.priors.text.textual_inversion import add_embeddings
from maquette.priors.text.unregistered import Unregistered

Network = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(noisy [B, C, h, w], timesteps [B], text [B, L, D]) -> model output [B, C, h, w], differentiable in the text."""


class NewWord(TrainableWord):
    """A token with a trainable embedding in an otherwise frozen text encoder and denoiser.

    Source: Gal et al. 2022 (arXiv 2208.01618), sec. 3.

    Args:
        tokenizer, encoder: the token is added to them in place.
        token, meaning: as in `Prior.trainable_word`.
        network: the denoiser.
    """

    def __init__(self, tokenizer: Any, encoder: Any, token: str, meaning: str, network: Network) -> None:
        table: Tensor = encoder.get_input_embeddings().weight
        ids = tokenizer(meaning, add_special_tokens=False).input_ids
        start = (table[ids] if ids else table).detach().float().mean(dim=0)
        add_embeddings(tokenizer, encoder, {token: start[None]})
        super().__init__(token, start)
        rows = _Rows(encoder.get_input_embeddings().weight, tokenizer.convert_tokens_to_ids(token), self.embedding)
        encoder.set_input_embeddings(rows)
        self._tokenizer, self._encoder, self._network = tokenizer, Unregistered(encoder), Unregistered(network)

    def condition(self, texts: Sequence[str]) -> Float[Tensor, "n L D"]:
        encoder = self._encoder.module
        ids = token_ids(self._tokenizer, encoder, texts)
        has_token = (ids == self._tokenizer.convert_tokens_to_ids(self.token)).any(dim=1)
        for text, present in zip(texts, has_token.tolist(), strict=True):
            if self.token in text and not present:
                raise ConfigError(
                    f"{text!r} is longer than the {ids.shape[1]} tokens of the text encoder, so that {self.token} is "
                    "cut off",
                    hint="shorten it",
                )
        return encoder(ids).last_hidden_state

    def forward(
        self, noisy: Float[Tensor, "B C h w"], t: Int[Tensor, " B"], condition: Float[Tensor, "B L D"]
    ) -> Float[Tensor, "B C h w"]:
        return self._network.module(noisy, t, condition)


class _Rows(nn.Module):
    """A frozen table of embeddings with one row replaced by the trainable embedding of a `NewWord`."""

    def __init__(self, table: Float[Tensor, "V D"], row: int, embedding: Float[Tensor, " D"]) -> None:
        super().__init__()
        self.weight = nn.Parameter(table.detach(), requires_grad=False)
        self._row, self._embedding = row, Unregistered(embedding)

    def forward(self, ids: Int[Tensor, "n L"]) -> Float[Tensor, "n L D"]:
        embeddings = functional.embedding(ids, self.weight)
        return torch.where((ids == self._row)[..., None], self._embedding.module, embeddings)
