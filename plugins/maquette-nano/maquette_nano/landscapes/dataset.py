"""Photographs of landscapes of the nano world with their label maps, as a data set."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Count, Pixels
from maquette.config.parts import plain
from maquette.datasets.base import DescribedPictures, LabelledPictures
from maquette.files import atomic_path
from maquette.landscapes import Landscape, World
from maquette.landscapes.classes import LABELS
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano.landscapes import seeds
from maquette_nano.landscapes.photographs import POSES, REACH, WORLD, facts, photograph

_log = logging.getLogger(f"maquette.{__name__}")
_VERSION = 1  # of the pictures; another number draws them anew


@dataclass(frozen=True)
class _Stored:
    """Photographs [N, H, W, 3] and labels [N, H, W], in bytes."""

    images: Tensor
    labels: Tensor


@register("dataset", "nano-landscapes")
class NanoLandscapes:
    """Photographs of landscapes with exact shading, each with its label map and without its camera."""

    @dataclass(frozen=True)
    class Config:
        photographs: Count = 3_000  # for training
        held_out: Count = 400
        per_world: Count = 12  # photographs of one world
        size: Pixels = 64  # side of a picture in pixels
        cache: str = ".cache/nano-landscapes"  # folder of the pictures

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self._train = self._pictures(seeds.PHOTOGRAPHED, self.config.photographs, device)
        self._held_out = self._pictures(seeds.HELD_OUT_PHOTOGRAPHED, self.config.held_out, device)

    def batch(self, draws: Draws, size: int) -> LabelledPictures:
        return _chosen(self._train, self._train_index(draws, size))

    def held_out(self, draws: Draws, size: int) -> LabelledPictures:
        return _chosen(self._held_out, self._held_out_index(draws, size))

    def _train_index(self, draws: Draws, size: int) -> Tensor:
        return draws.integers("photograph", 0, len(self._train.images) - 1, size)

    def _held_out_index(self, draws: Draws, size: int) -> Tensor:
        return torch.randperm(len(self._held_out.images), generator=draws.generator("order"))[:size]

    def sample(self, count: int) -> LabelledPictures:
        return _chosen(self._held_out, torch.linspace(0, len(self._held_out.images) - 1, count).long())

    def _pictures(self, first: int, count: int, device: torch.device) -> _Stored:
        c = self.config
        stored = _cached(c, first, count, "", lambda: _take(first, count, c.per_world, c.size))
        return _Stored(*(torch.from_numpy(stored[name]).to(device) for name in ("images", "labels")))


@register("dataset", "nano-described-landscapes")
class NanoDescribedLandscapes(NanoLandscapes):
    """The photographs, each with the fractions of its labels, the elevation of the sun and the slope of the ground."""

    numbers = ("elevation of the sun", "slope")

    def prepare(self, device: torch.device) -> None:
        super().prepare(device)
        train = self._facts(seeds.PHOTOGRAPHED, self.config.photographs)
        held_out = self._facts(seeds.HELD_OUT_PHOTOGRAPHED, self.config.held_out)
        mean, deviation = train.mean(dim=0), train.std(dim=0)
        self._numbers, self._held_out_numbers = (((each - mean) / deviation).to(device) for each in (train, held_out))

    def batch(self, draws: Draws, size: int) -> DescribedPictures:  # type: ignore[override]
        return _described(self._train, self._numbers, self._train_index(draws, size))

    def held_out(self, draws: Draws, size: int) -> DescribedPictures:  # type: ignore[override]
        return _described(self._held_out, self._held_out_numbers, self._held_out_index(draws, size))

    def _facts(self, first: int, count: int) -> Tensor:
        c = self.config

        def take() -> dict[str, np.ndarray]:
            return {"facts": np.stack([
                facts(scene, draws, c.size).numpy() for scene, draws in _shots(first, count, c.per_world)
            ])}  # fmt: skip

        return torch.from_numpy(_cached(c, first, count, "facts", take)["facts"])


@register("dataset", "nano-landscape-worlds")
class NanoLandscapeWorlds(NanoLandscapes):
    """Photographs of landscapes without cameras, and other worlds that a generator is trained and measured on."""

    @dataclass(frozen=True)
    class Config(NanoLandscapes.Config):
        worlds: Count = 64  # for training
        held_out_worlds: Count = 8

    config: Config
    poses, reach = POSES, REACH

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.size = config.size

    def prepare(self, device: torch.device) -> None:
        super().prepare(device)
        self._worlds = _windows(seeds.TRAINING_WORLDS, self.config.worlds)
        self._others = _windows(seeds.HELD_OUT_WORLDS, self.config.held_out_worlds)

    def training_worlds(self) -> list[Landscape]:
        return self._worlds

    def held_out_worlds(self) -> list[Landscape]:
        return self._others


def _windows(first: int, count: int) -> list[Landscape]:
    return [World(first + number, WORLD).window() for number in range(count)]


def _cached(
    config: NanoLandscapes.Config, first: int, count: int, what: str, make: Callable[[], dict[str, np.ndarray]]
) -> Mapping[str, np.ndarray]:
    """Arrays about the photographs of worlds from `first` on, made once."""
    key = f"{_VERSION} {first} {count} {config.per_world} {config.size} {plain(WORLD)}{what}"
    path = Path(config.cache) / f"{first}-{count}-{hashlib.sha256(key.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        _log.info("%s of %d photographs of landscapes, once; they go to %s", what or "taking", count, path)
        with atomic_path(path) as temporary:
            np.savez_compressed(temporary, **make())
    arrays: Mapping[str, np.ndarray] = np.load(path)
    return arrays


def _shots(first: int, count: int, per_world: int) -> Iterator[tuple[Landscape, Draws]]:
    """The worlds of photographs, and the draws of each."""
    for number in range(count):
        world, shot = divmod(number, per_world)
        if shot == 0:
            scene = World(first + world, WORLD).window()
        yield scene, Draws(first + world, shot)


def _take(first: int, count: int, per_world: int, size: int) -> dict[str, np.ndarray]:
    images, labels = np.empty((count, size, size, 3), np.uint8), np.empty((count, size, size), np.uint8)
    for number, (scene, draws) in enumerate(_shots(first, count, per_world)):
        picture, kinds = photograph(scene, draws, size)
        images[number] = (picture * 255).round().clamp(0, 255).byte().numpy()
        labels[number] = kinds.byte().numpy()
    return {"images": images, "labels": labels}


def _chosen(stored: _Stored, index: Tensor) -> LabelledPictures:
    index = index.to(stored.images.device)
    return LabelledPictures(stored.images[index].float() / 255, stored.labels[index].long())


def _described(stored: _Stored, numbers: Tensor, index: Tensor) -> DescribedPictures:
    pictures = _chosen(stored, index)
    fractions = functional.one_hot(pictures.labels, len(LABELS)).float().mean(dim=(1, 2))
    return DescribedPictures(pictures.images, fractions, numbers[index.to(numbers.device)])
