"""The contract of a learner, and what learners share: weight averaging and building a small tokenizer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from maquette.data.base import CaptionedDataset, CaptionedImages
from maquette.randomness import Draws
from maquette.terms import Terms

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


class Learner(nn.Module):
    """A model being trained. Parameters and buffers are its whole state.

    A subclass builds its networks in `build`, computes its training loss in `loss`, draws a picture of what it can do
    in `sample_sheet`, and writes the finished model, in a format that others load, in `save`.
    """

    def build(self, dataset: CaptionedDataset) -> None:
        """Make the networks; the data set gives what depends on it (the vocabulary)."""
        raise NotImplementedError

    def loss(self, batch: CaptionedImages, draws: Draws) -> Terms:
        """The training loss of one batch."""
        raise NotImplementedError

    def after_step(self, step: int) -> None:
        """Called after each optimiser step; the place for averages."""

    def sample_sheet(self, dataset: CaptionedDataset, draws: Draws) -> np.ndarray | None:
        """A picture [H, W, 3] in [0, 1] of the model's present ability, or None."""
        return None

    def evaluate(self, dataset: CaptionedDataset, draws: Draws) -> dict[str, float]:
        """Figures on held-out data."""
        return {}

    def save(self, folder: Path) -> None:
        """Write the finished model into `folder`, half precision, safetensors."""
        raise NotImplementedError


class Average(nn.Module):
    """Exponential moving average of a module's parameters, warmed up as min(decay, (1 + n) / (10 + n))."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        super().__init__()
        from torch.optim.swa_utils import AveragedModel

        def lerp(averages: Any, values: Any, count: Any) -> None:
            n = float(count)
            torch._foreach_lerp_(averages, values, 1.0 - min(decay, (1.0 + n) / (10.0 + n)))

        self.averaged = AveragedModel(module, multi_avg_fn=lerp)
        self.averaged.requires_grad_(False)

    @property
    def module(self) -> nn.Module:
        """The module with averaged parameters."""
        return self.averaged.module

    def update(self, module: nn.Module) -> None:
        """Move the average towards `module`'s present parameters."""
        self.averaged.update_parameters(module)


def word_tokenizer(words: Sequence[str], max_length: int) -> CLIPTokenizer:
    """A CLIP tokenizer in which each of `words` is one token and any other text falls back to bytes.

    Args:
        words: lower-case words.
        max_length: tokens per text, start and end tokens counted.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    start, end = "<|startoftext|>", "<|endoftext|>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(
        vocab_size=100_000, min_frequency=1, initial_alphabet=alphabet, end_of_word_suffix="</w>", show_progress=False
    )
    tokenizer.train_from_iterator(sorted(set(words)), trainer)
    model: Any = json.loads(tokenizer.to_str())["model"]
    learned = [token for token, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    tokens = list(dict.fromkeys([*alphabet, *(letter + "</w>" for letter in alphabet), *learned, start, end]))
    merges: Any = [tuple(merge) if not isinstance(merge, str) else tuple(merge.split(" ")) for merge in model["merges"]]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=max_length)


def tokenize(tokenizer: CLIPTokenizer, texts: Sequence[str], device: torch.device) -> Tensor:
    """Token ids [B, L], padded and cut to the tokenizer's length."""
    encoded = tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=tokenizer.model_max_length, return_tensors="pt"
    )
    return encoded.input_ids.to(device)
