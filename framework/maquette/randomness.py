"""Counter-based random numbers: every draw is a function of (seed, step, stream).

Resuming a run at step 1,000 needs no stored random state: the numbers of step 1,000 do not depend on the steps before
it. Draws are made on the CPU unless a device is named, so that they do not depend on the device.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor


def stream_seed(seed: int, step: int, stream: str) -> int:
    """A 63-bit seed that differs for any difference in (seed, step, stream)."""
    digest = hashlib.blake2b(f"{seed}/{step}/{stream}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step, in named streams.

    Calls with the same stream name return the same numbers, so a stream is used once per step; `sub(name)` is a
    separate namespace.

    Example:
        >>> Draws(seed=0, step=7).uniform("timestep", 2).shape
        torch.Size([2])
    """

    seed: int
    step: int
    scope: str = ""

    def sub(self, name: str) -> Draws:
        """The draws of the same step in the namespace `name`."""
        return Draws(self.seed, self.step, f"{self.scope}{name}/")

    def generator(self, stream: str, device: str | torch.device = "cpu") -> Generator:
        """A new generator for this stream; its numbers depend on the type of the device."""
        return Generator(device).manual_seed(stream_seed(self.seed, self.step, self.scope + stream))

    def uniform(
        self, stream: str, *shape: int, low: float = 0.0, high: float = 1.0, device: str | torch.device = "cpu"
    ) -> Tensor:
        """Uniform floats in [low, high), shape `shape`."""
        return torch.rand(*shape, generator=self.generator(stream, device), device=device) * (high - low) + low

    def normal(self, stream: str, *shape: int, device: str | torch.device = "cpu") -> Tensor:
        """Standard normal floats, shape `shape`."""
        return torch.randn(*shape, generator=self.generator(stream, device), device=device)

    def integers(self, stream: str, low: int, high: int, *shape: int, device: str | torch.device = "cpu") -> Tensor:
        """Integers in [low, high] (both ends included), shape `shape`."""
        return torch.randint(low, high + 1, shape, generator=self.generator(stream, device), device=device)


@dataclass(frozen=True)
class Moment:
    """One step of an optimisation: its number and its random numbers.

    Args:
        step: number of the step, from 0.
        total: number of steps of the stage.
        draws: this step's random numbers.

    Example:
        >>> Moment.at(step=7, total=100, seed=0).sub("cameras").draws.scope
        'cameras/'
    """

    step: int
    total: int
    draws: Draws

    @classmethod
    def at(cls, step: int, total: int, seed: int) -> Moment:
        """The moment of a step of a run with this seed."""
        return cls(step, total, Draws(seed, step))

    @property
    def progress(self) -> float:
        """Finished fraction of the stage, in [0, 1]."""
        return min(self.step / max(self.total, 1), 1.0)

    def sub(self, name: str) -> Moment:
        """The same step with draws in the namespace `name`."""
        return Moment(self.step, self.total, self.draws.sub(name))


def seed_global_generators(seed: int, stream: str) -> None:
    """Seed the global generators of Python, NumPy and torch, which libraries may draw from, by a seed and a name."""
    key = int.from_bytes(hashlib.blake2b(f"{seed}/{stream}".encode(), digest_size=4).digest(), "big")
    random.seed(key)
    np.random.seed(key)
    torch.manual_seed(key)
