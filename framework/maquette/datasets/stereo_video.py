"""Stereo films of one's own as a data set: two views side by side, or one over the other."""

from __future__ import annotations

import logging
import math
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from maquette.annotations import Count, InputPath, OpenFraction, Pixels
from maquette.datasets.base import StereoPairs
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.randomness import Draws
from maquette.registry import register
from maquette.stereo.packing import packing_of
from maquette.video.probing import VideoInfo, inspect_video
from maquette.video.reading import read_frames

_log = logging.getLogger(__name__)

LOOKS = 5  # frames of a film that are looked at for two views
SUFFIXES = (".mp4", ".mkv", ".mov", ".webm", ".avi", ".m4v", ".ts")
Layout = Literal["side-by-side", "over-under"]


@register("dataset", "stereo-video")
class StereoVideo:
    """Pairs of views out of stereo films: a film, or a folder of films.

    Every nth frame is read once, at the size of training frames, and held in memory; of films that are too long for
    `most`, frames from beginning to end. The end of each film is held out.
    """

    @dataclass(frozen=True)
    class Config:
        path: InputPath  # a film, or a folder of films
        layout: Layout = "side-by-side"  # of the two views; those squeezed to half a size are widened
        right_first: bool = False  # the view at the left, or above, is that of the right eye
        size: tuple[Pixels, Pixels] = (180, 432)  # rows and columns of the frames to train on
        every: Count = 1  # of so many frames one is taken
        most: Count = 20_000  # pairs of all films together, at most
        held_out: OpenFraction = 0.1  # part of each film, at its end; at least one pair is held out, and one is not

    def __init__(self, config: Config) -> None:
        self.config = config
        self.frame = config.size

    def prepare(self, device: torch.device) -> None:
        films = self._films()
        each = max(self.config.most // len(films), 2)
        train, held_out = [], []
        for film in films:
            pairs = self._pairs(film, each)
            last = min(max(round(len(pairs) * self.config.held_out), 1), len(pairs) - 1)
            train.append(pairs[:-last])
            held_out.append(pairs[-last:])
        self._train, self._held_out = (torch.from_numpy(np.concatenate(part)).to(device) for part in (train, held_out))
        _log.info("%d films, %d pairs to train on, %d held out", len(films), len(self._train), len(self._held_out))

    def batch(self, draws: Draws, size: int) -> StereoPairs:
        return _selected(self._train, draws.integers("pair", 0, len(self._train) - 1, size))

    def held_out(self, draws: Draws, size: int) -> StereoPairs:
        return _selected(self._held_out, draws.integers("pair", 0, len(self._held_out) - 1, size))

    def sample_pairs(self, count: int) -> StereoPairs:
        return _selected(self._held_out, torch.linspace(0, len(self._held_out) - 1, count).long())

    def _films(self) -> list[VideoInfo]:
        path = Path(self.config.path).expanduser()
        files = sorted(p for p in path.glob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not files:
            raise ConfigError(
                f"there are no films in {display_path(path)}", key="dataset.path",
                hint=f"give a film, or a folder of films ({', '.join(SUFFIXES)})",
            )  # fmt: skip
        return [inspect_video(file, "dataset.path") for file in files]

    def _pairs(self, film: VideoInfo, most: int) -> np.ndarray:
        """Left and right views of one film, bytes [N, 2, H, W, 3]."""
        rows, columns = self.config.size
        below = self.config.layout == "over-under"
        whole = (2 * rows, columns) if below else (rows, 2 * columns)
        every = max(self.config.every, math.ceil(film.frames / most))
        packed = np.empty((math.ceil(film.frames / every) + 1, *whole, 3), np.uint8)
        count = 0
        with closing(read_frames(film, whole)) as stream:
            for frame in islice(stream, 0, len(packed) * every, every):
                packed[count] = frame
                count += 1
        if count < 2:
            raise ConfigError(
                f"{display_path(film.path)} has {count} frames, one of {every} taken",
                key="dataset.path", hint="give a longer film, or a smaller dataset.every",
            )  # fmt: skip
        packed = packed[:count]
        if not packing_of(list(packed[:: max(count // LOOKS, 1)])):
            _log.warning("%s does not look as if it held two views", display_path(film.path))
        halves = np.stack(np.split(packed, 2, axis=1 if below else 2), axis=1)
        return halves[:, ::-1] if self.config.right_first else halves


def _selected(pairs: Tensor, index: Tensor) -> StereoPairs:
    chosen = pairs[index.to(pairs.device)].float() / 255
    return StereoPairs(chosen[:, 0], chosen[:, 1])
