"""The contract of a learner, and what learners share: weight averages, memory formats, a small tokenizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import nn

from maquette.objectives.terms import Terms
from maquette.randomness import Draws

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


Data = TypeVar("Data")  # the data set that a learner is trained on
Batch = TypeVar("Batch")  # a batch of that data set


class Learner(nn.Module, ABC, Generic[Data, Batch]):
    """A model being trained. Its parameters and buffers are its whole state.

    A subclass builds its networks in `build`, computes its training loss in `loss`, renders sample images in
    `sample_sheet`, and writes the finished model, in a format that other libraries load, in `save`.
    """

    channels_last: ClassVar[bool] = True  # whether that order is the faster one on a CPU

    @abstractmethod
    def build(self, dataset: Data) -> None:
        """Create the networks; what depends on the data, such as the vocabulary, is taken from the data set."""

    def set_memory_format(self, device: torch.device) -> None:
        """Convert the networks to the memory format that is fastest on `device`; called once, after `build`.

        Contiguous on CUDA, where group norm gains more than the convolutions lose.
        """
        last = self.channels_last and device.type == "cpu"
        self.to(memory_format=torch.channels_last if last else torch.contiguous_format)  # type: ignore[call-overload]

    @abstractmethod
    def loss(self, batch: Batch, draws: Draws) -> Terms:
        """The training loss of one batch."""

    def rate_factor(self, name: str) -> float:
        """Factor of the learning rate for the parameter of this name; 1 unless a learner says otherwise."""
        return 1.0

    def after_step(self, step: int) -> None:
        """Hook that runs after each optimiser step, for instance to update weight averages."""

    def sample_sheet(self, dataset: Data, draws: Draws) -> np.ndarray | None:
        """A sheet of samples [H, W, 3] in [0, 1] from the current weights, or None."""
        return None

    def evaluate(self, dataset: Data, draws: Draws) -> dict[str, float]:
        """Metrics on held-out data, by name."""
        return {}

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the finished model into `folder` in half precision, as safetensors."""


class Average(nn.Module):
    """Exponential moving average of a module's parameters, with decay min(decay, (1 + n) / (10 + n)) at update n."""

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
        """Update the average with `module`'s current parameters."""
        self.averaged.update_parameters(module)


class Networks(nn.Module):
    """Networks that are trained and averaged together; each is an attribute under its name."""

    def __init__(self, **networks: nn.Module) -> None:
        super().__init__()
        for name, network in networks.items():
            self.add_module(name, network)


class AveragedLearner(Learner[Data, Batch]):
    """A learner that keeps an average of its networks' weights; samples and saved weights are of the average."""

    networks: Any
    average: Average

    def set_networks(self, networks: nn.Module, decay: float) -> None:
        """Register the networks to train and create their weight average; the last call of `build`.

        Args:
            decay: decay of the average.
        """
        self.networks = networks
        self.average = Average(networks, decay)

    @property
    def averaged(self) -> Any:
        """The networks with the averaged weights."""
        return self.average.module

    def after_step(self, step: int) -> None:
        self.average.update(self.networks)


def word_tokenizer(words: Sequence[str], max_length: int) -> CLIPTokenizer:
    """A CLIP tokenizer in which each of `words` is one token and any other text falls back to bytes.

    The same words give the same token ids in every process; resuming a training depends on it.

    Args:
        words: lower-case words.
        max_length: tokens per text, including the start and end tokens.
    """
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    start, end = "<|startoftext|>", "<|endoftext|>"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges: Any = _merges(sorted(set(words)))
    learned = ["".join(pair) for pair in merges]
    tokens = list(dict.fromkeys([*alphabet, *(letter + "</w>" for letter in alphabet), *learned, start, end]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=max_length)


def _merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Byte-pair merges that make each word one token; equally frequent pairs in alphabetical order.

    The trainers of the tokenizers library break such ties by a random hash, differently in each process.

    Source: Sennrich et al. 2016 (arXiv 1508.07909), alg. 1.
    """
    from tokenizers import pre_tokenizers

    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    spelt = [split(word)[0][0] for word in words]
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in spelt]
    merges = []
    while counts := Counter(pair for word in pieces for pair in pairwise(word)):
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(pair)
        pieces = [_merged(word, pair) for word in pieces]
    return merges


def _merged(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    done: list[str] = []
    for piece in pieces:
        if done and (done[-1], piece) == pair:
            done[-1] += piece
        else:
            done.append(piece)
    return done
