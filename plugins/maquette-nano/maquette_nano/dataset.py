"""Renders of nano objects with captions, as a data set that a `train` stage draws from."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from maquette.data.base import CaptionedImages
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano import world

VIEWS = 8
FOV_DEG, DISTANCE = 35.0, 3.2
CHUNK = 250


@register("dataset", "nano-world")
class NanoWorld:
    """Captioned renders of the nano world over light backgrounds, with web-like front-view bias.

    Every object has eight views: four at right angles at one elevation, and four anywhere. With probability
    `front_bias` a training image is drawn from the views within 45 degrees of the front, otherwise from all.
    """

    @dataclass(frozen=True)
    class Config:
        objects: int = 20_000  # training objects
        held_out_objects: int = 1_000  # validation objects
        size: int = 64  # image side in pixels
        front_bias: float = 0.4  # probability of drawing a front view outright
        view_words: float = 0.7  # probability that a caption tells the view
        side_words: float = 0.5  # probability that the words for a side view tell which side it is
        detail_words: float = 0.5  # probability that a plain object's caption names its detail
        short_captions: float = 0.15  # probability that a caption leaves out pattern and detail
        cache: str = ".cache/nano-world"  # folder of the rendered images
        workers: int = 0  # processes that render; 0: one per core

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        self.device = device
        self._train = self._load("train", self.config.objects)
        self._held_out = self._load("validation", self.config.held_out_objects)

    def _load(self, split: str, count: int) -> _Views:
        config = self.config
        facts = f"{split}/{count}/{config.size}/{VIEWS}/{FOV_DEG}/{DISTANCE}/{_world_version()}"
        path = Path(config.cache) / f"{split}-{hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()}.npz"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            _render_all(split, count, config.size, config.workers or os.cpu_count() or 1, path)
        stored = np.load(path)
        views = _Views(
            torch.from_numpy(stored["rgba"]).to(self.device), stored["azimuth_deg"], stored["elevation_deg"],
            [str(c) for c in stored["short"]], [str(c) for c in stored["plain"]], [str(c) for c in stored["detailed"]],
        )  # fmt: skip
        return views

    def batch(self, draws: Draws, size: int) -> CaptionedImages:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> CaptionedImages:
        return self._draw(self._held_out, draws, size)

    def _draw(self, views: _Views, draws: Draws, size: int) -> CaptionedImages:
        config = self.config
        biased = draws.uniform("front-bias", size) < config.front_bias
        anywhere = draws.integers("view", 0, len(views.azimuth_deg) - 1, size)
        in_front = torch.from_numpy(views.front)[draws.integers("front", 0, len(views.front) - 1, size)]
        index = torch.where(biased, in_front, anywhere)
        rgba = views.rgba[index.to(self.device)].float() / 255
        background = tints(draws.uniform("background", size, 4)).to(self.device)[:, None, None, :]
        images = rgba[..., :3] * rgba[..., 3:] + background * (1 - rgba[..., 3:])
        chances = draws.uniform("caption", size, 4)
        limits = torch.tensor([config.view_words, config.short_captions, config.detail_words, config.side_words])
        told, short, detailed, sides = (chances < limits).T.tolist()
        choices = zip(index.tolist(), short, detailed, told, sides, strict=True)
        captions = [views.caption(*choice) for choice in choices]
        return CaptionedImages(images, captions)

    def words(self) -> Sequence[str]:
        return world.words()

    def sample_captions(self) -> Sequence[str]:
        views = ("front view", "left side view", "back view", "right side view")
        return [f"{prompt}, {views[i % 4]}" for i, prompt in enumerate(world.test_prompts())]


@dataclass
class _Views:
    """Rendered views with straight colour and coverage, and each object's captions."""

    rgba: Tensor
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    short: list[str]
    plain: list[str]
    detailed: list[str]

    def __post_init__(self) -> None:
        turn = np.abs((self.azimuth_deg + 180) % 360 - 180)
        self.front = np.flatnonzero(turn < 45)

    def caption(self, index: int, short: bool, detailed: bool, told: bool, side: bool) -> str:
        thing = index // VIEWS
        text = self.short[thing] if short else self.detailed[thing] if detailed else self.plain[thing]
        if not told:
            return text
        view = world.view_word(float(self.azimuth_deg[index]), float(self.elevation_deg[index]), side)
        return f"{text}, {view}"


def tints(uniform: Tensor) -> Tensor:
    """Background colours [n, 3]: light greys, a little tinted, from uniform numbers [n, 4]."""
    return (0.45 + 0.55 * uniform[:, :1].sqrt() - 0.15 * uniform[:, 1:]).clamp(0, 1)


def _world_version() -> str:
    """A hash of the source that pictures and captions depend on: a changed world is rendered anew."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(Path(world.__file__).parent.rglob("*.py")):
        if path.name not in ("meshing.py", "__init__.py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def view_angles(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [VIEWS] in degrees: four at right angles, four anywhere."""
    start, level = rng.uniform(0, 360), rng.uniform(0, 30)
    azimuth = np.concatenate([start + np.arange(4) * 90, rng.uniform(0, 360, VIEWS - 4)]) % 360
    elevation = np.concatenate([np.full(4, level), rng.uniform(-10, 80, VIEWS - 4)])
    return azimuth, elevation


def _render_chunk(split: str, first: int, count: int, size: int) -> tuple[np.ndarray, ...]:
    import numba

    numba.set_num_threads(1)
    rgba = np.empty((count * VIEWS, size, size, 4), np.uint8)
    angles, short, plain, detailed = [], [], [], []
    for i in range(count):
        thing = world.sample_object(first + i, split)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([first + i, len(split), 77])))
        azimuth, elevation = view_angles(rng)
        c2w = np.stack([world.orbit_c2w(a, e, DISTANCE) for a, e in zip(azimuth, elevation, strict=True)])
        views = world.render(thing, c2w, FOV_DEG, size)
        pixels = np.concatenate([views.rgb, views.opacity[..., None]], -1)
        rgba[i * VIEWS : (i + 1) * VIEWS] = (pixels * 255 + 0.5).astype(np.uint8)
        angles.append((azimuth, elevation))
        article = "an" if thing.body[0] in "aeiou" else "a"
        short.append(f"{article} {thing.body} {thing.category}")
        plain.append(thing.caption())
        detailed.append(thing.caption(name_detail=True))
    both = np.array(angles, np.float32)
    return rgba, both[:, 0].reshape(-1), both[:, 1].reshape(-1), np.array(short), np.array(plain), np.array(detailed)


def _render_all(split: str, count: int, size: int, workers: int, path: Path) -> None:
    print(f"rendering {count} {split} objects with {workers} processes", flush=True)
    world.render(world.sample_object(0, split), world.orbit_c2w(0, 0, DISTANCE)[None], FOV_DEG, 8)  # fill numba's cache
    starts = range(0, count, CHUNK)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(_render_chunk, split, s, min(CHUNK, count - s), size) for s in starts]
        parts = [job.result() for job in jobs]
    names = ("rgba", "azimuth_deg", "elevation_deg", "short", "plain", "detailed")
    columns = [np.concatenate([part[i] for part in parts]) for i in range(len(names))]
    beside = path.with_suffix(".tmp.npz")
    np.savez(beside, **dict(zip(names, columns, strict=True)))
    beside.replace(path)
