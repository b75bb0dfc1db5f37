"""Data set of short stereo clips of the nano world, with exactly known shifts between the two views."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from maquette.annotations import Count, CountOrNone, Fraction
from maquette.datasets.base import StereoPairs
from maquette.files import atomic_path
from maquette.kernels.cores import available_cores
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano import stereo_backdrop, stereo_scenes
from maquette_nano.renders import in_processes, world_version
from maquette_nano.stereo_scenes import HEIGHT, WIDTH, sample_scene

_log = logging.getLogger(f"maquette.{__name__}")  # under maquette: shown where its messages are

CHUNK = 10  # clips per job of a process
SHIFT_STEPS = 16  # of a shift in a signed byte, per pixel
SPACING = 3  # frames of a film between two stored ones
ORDERS = torch.tensor([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])  # of the colour channels


@register("dataset", "nano-stereo")
class NanoStereo:
    """Stereo pairs of nano scenes: objects on a textured ground, moving, under two moving cameras side by side.

    Training pairs are mirrored (each view becomes the other one), and the channels of their colours change places.
    The true shifts are for measuring, and for learners that are given depth.
    """

    @dataclass(frozen=True)
    class Config:
        clips: Count = 400  # training clips
        held_out_clips: Count = 24  # validation clips
        frames: Count = 5  # stored pairs of a clip
        mirror: Fraction = 0.5  # probability that a pair is mirrored
        recolor: Fraction = 0.8  # probability that the colour channels change places
        cache: str = ".cache/nano-world"  # folder of the rendered clips
        workers: CountOrNone = 0  # processes that render; 0: one per core

    frame = (HEIGHT, WIDTH)

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        c = self.config
        self._train = load_clips("train", c.clips, c.frames, c.cache, c.workers).to(device)
        self._held_out = load_clips("validation", c.held_out_clips, c.frames, c.cache, c.workers).to(device)

    def batch(self, draws: Draws, size: int) -> StereoPairs:
        index = draws.integers("pair", 0, len(self._train) - 1, size)
        pairs = self._train.select(index)
        mirrored = draws.uniform("mirror", size) < self.config.mirror
        recolored = (draws.uniform("recolor", size) < self.config.recolor).long()
        order = ORDERS[draws.integers("order", 0, len(ORDERS) - 1, size) * recolored]
        return _recolored(_mirrored(pairs, mirrored), order)

    def held_out(self, draws: Draws, size: int) -> StereoPairs:
        return self._held_out.select(draws.integers("pair", 0, len(self._held_out) - 1, size))

    def sample_pairs(self, count: int) -> StereoPairs:
        return self._held_out.select(torch.linspace(0, len(self._held_out) - 1, count).long())


@dataclass(frozen=True)
class StereoClips:
    """N = K T pairs of K clips, in bytes, the T pairs of a clip one after the other.

    Args:
        left, right: [N, H, W, 3].
        left_shift, right_shift: true shifts in sixteenths of a pixel [N, H, W].
        occluded: pixels of the right view that the left one does not show [N, H, W].
    """

    left: Tensor
    right: Tensor
    left_shift: Tensor
    right_shift: Tensor
    occluded: Tensor

    def __len__(self) -> int:
        return len(self.left)

    def to(self, device: torch.device) -> StereoClips:
        return StereoClips(*(getattr(self, item.name).to(device) for item in fields(self)))

    def select(self, index: Tensor) -> StereoPairs:
        """The pairs `index` [B]."""
        index = index.to(self.left.device)
        left, right = (values[index].float() / 255 for values in (self.left, self.right))
        shifts = [values[index, ..., None].float() / SHIFT_STEPS for values in (self.left_shift, self.right_shift)]
        return StereoPairs(left, right, *shifts, self.occluded[index, ..., None].float())


def _mirrored(pairs: StereoPairs, mirrored: Tensor) -> StereoPairs:
    """Pairs seen in a mirror where `mirrored` [B] says so: then the views change places, and shifts stay.

    Which pixels of the other view are hidden is not stored, so all of a mirrored pair count as visible.
    """
    assert pairs.left_shift is not None and pairs.right_shift is not None and pairs.occluded is not None
    chosen = mirrored.to(pairs.left.device)[:, None, None, None]

    def swapped(one: Tensor, other: Tensor) -> Tensor:
        return torch.where(chosen, other.flip(2), one)

    return StereoPairs(
        swapped(pairs.left, pairs.right), swapped(pairs.right, pairs.left),
        swapped(pairs.left_shift, pairs.right_shift), swapped(pairs.right_shift, pairs.left_shift),
        pairs.occluded * ~chosen,
    )  # fmt: skip


def _recolored(pairs: StereoPairs, order: Tensor) -> StereoPairs:
    """Pairs with their colour channels in the order [B, 3]."""
    index = order.to(pairs.left.device)[:, None, None, :].expand(pairs.left.shape)
    return replace(pairs, left=pairs.left.gather(-1, index), right=pairs.right.gather(-1, index))


def load_clips(split: str, clips: int, frames: int, cache: str, workers: int = 0) -> StereoClips:
    """The first clips of `split` ("train", "validation" or "test"), rendered if they are not cached.

    Args:
        frames: pairs of each clip, `SPACING` frames of a film apart.
        cache: folder of the rendered clips.
        workers: processes that render; 0: one per core.
    """
    facts = f"{split}/{clips}/{frames}/{SPACING}/{SHIFT_STEPS}/{world_version()}"
    digest = hashlib.blake2b(facts.encode(), digest_size=6)
    for module in (stereo_scenes, stereo_backdrop):
        digest.update(Path(module.__file__ or "").read_bytes())
    path, names = Path(cache) / f"stereo-{split}-{digest.hexdigest()}.npz", [item.name for item in fields(StereoClips)]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        jobs = [(split, first, min(CHUNK, clips - first), frames) for first in range(0, clips, CHUNK)]
        workers = min(workers or available_cores(), len(jobs))
        _log.info("rendering %d %s clips with %d processes", clips, split, workers)
        parts = in_processes(render_clips, jobs, workers)
        arrays: dict[str, Any] = {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(names)}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
    stored = np.load(path)
    return StereoClips(*(torch.from_numpy(stored[name]) for name in names))


def render_clips(split: str, first: int, clips: int, frames: int) -> tuple[np.ndarray, ...]:
    """The arrays of `StereoClips` of the clips from number `first` on."""
    parts = [sample_scene(first + i, split).render(_times(frames)) for i in range(clips)]
    left, right, left_shift, right_shift, occluded = (np.concatenate(column) for column in zip(*parts, strict=True))
    pictures = [(values * 255 + 0.5).clip(0, 255).astype(np.uint8) for values in (left, right)]
    shifts = [np.rint(values * SHIFT_STEPS).clip(-128, 127).astype(np.int8) for values in (left_shift, right_shift)]
    return (*pictures, *shifts, occluded)


def _times(frames: int) -> Sequence[float]:
    return [float(SPACING * i) for i in range(frames)]
