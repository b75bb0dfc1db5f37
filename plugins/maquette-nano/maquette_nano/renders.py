"""The nano world's objects, each rendered eight times, once and for all, and kept in a file."""

from __future__ import annotations

import hashlib
import logging
import math
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.cameras.six_views import FOV_Y_DEG, Layout, six_cameras
from maquette.images.picture import Picture
from maquette_nano import world
from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colours import COLOURS

_log = logging.getLogger(f"maquette.{__name__}")  # under maquette: shown where its messages are

Shows = Literal["colour", "normals", "geometry"]
"""What a render shows: shaded colour, or normals n in the camera's frame as a picture n / 2 + 1/2; "geometry" is
colour with normals and depth beside it."""

Rig = Literal["around", "six"]
"""From where: four at right angles and four anywhere; or two pictures from one azimuth, and Zero123++'s six views."""

VIEWS = 8
FOV_DEG, DISTANCE = 35.0, 3.2
SIX: Layout = "v1.2"  # whose six cameras
SIX_FOV_DEG, SIX_DISTANCE = FOV_Y_DEG[SIX], world.BOUND / math.tan(math.radians(FOV_Y_DEG[SIX] / 2))
NEAR, FAR = DISTANCE - world.BOUND, DISTANCE + world.BOUND  # of the depths that a byte holds, in scene units
CHUNK = 250
FIRST_SEEN = 1_000_000  # number of the first object of a held-out split that is trained on; others count from 0
LENSES: dict[Rig, tuple[tuple[slice, tuple[float, float]], ...]] = {
    "around": ((slice(VIEWS), (FOV_DEG, DISTANCE)),),
    "six": ((slice(2), (FOV_DEG, DISTANCE)), (slice(2, VIEWS), (SIX_FOV_DEG, SIX_DISTANCE))),
}
"""Which of an object's views have which angle of view and distance."""


@dataclass(frozen=True)
class RendersConfig:
    """What every data set of renders can set."""

    objects: int = 20_000  # training objects
    held_out_objects: int = 1_000  # validation objects
    size: int = 64  # image side in pixels
    cache: str = ".cache/nano-world"  # folder of the rendered images
    workers: int = 0  # processes that render; 0: one per core


@dataclass
class Views:
    """Rendered views with straight colour (or normals as colours) and coverage, and each object's captions."""

    pixels: Tensor  # [objects * VIEWS, size, size, 4], bytes; or 8, with normal and depth behind
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    short: list[str]
    plain: list[str]
    detailed: list[str]

    def __post_init__(self) -> None:
        turn = np.abs((self.azimuth_deg + 180) % 360 - 180)
        self.front = np.flatnonzero(turn < 45)

    @property
    def rgba(self) -> Tensor:
        """Colour and coverage [objects * VIEWS, size, size, 4], bytes."""
        return self.pixels[..., :4]

    def joined(self, *others: Views) -> Views:
        """These views, and those of other objects behind them."""
        every = (self, *others)
        return Views(
            torch.cat([views.pixels for views in every]),
            np.concatenate([views.azimuth_deg for views in every]),
            np.concatenate([views.elevation_deg for views in every]),
            *([text for views in every for text in getattr(views, name)] for name in ("short", "plain", "detailed")),
        )

    def geometry(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Normals in the camera's frame [B, H, W, 3] and distances along the ray [B, H, W, 1] of the views `index`."""
        beside = self.pixels[index.to(self.pixels.device), ..., 4:].float() / 255
        return beside[..., :3] * 2 - 1, NEAR + (FAR - NEAR) * beside[..., 3:]

    def picture(self, index: Tensor) -> Picture:
        """The views `index` [B]."""
        return Picture.from_rgba(self.rgba[index.to(self.rgba.device)].float() / 255)

    def over(self, index: Tensor, background: Tensor) -> Tensor:
        """Images [B, H, W, 3] in [0, 1] of the views `index` [B] over plain colours [B, 3]."""
        return self.picture(index).over(background.to(self.rgba.device)[:, None, None, :])

    def cameras(self, index: Tensor) -> Cameras:
        """From where the views `index` [B] are seen."""
        one = torch.ones(len(index))
        azimuth, elevation = (torch.from_numpy(angles)[index] for angles in (self.azimuth_deg, self.elevation_deg))
        return orbit_cameras(azimuth, elevation, DISTANCE * one, FOV_DEG * one, self.rgba.shape[1])

    def caption(self, index: int, short: bool, detailed: bool, told: bool, side: bool) -> str:
        thing = index // VIEWS
        text = self.short[thing] if short else self.detailed[thing] if detailed else self.plain[thing]
        if not told:
            return text
        view = world.view_word(float(self.azimuth_deg[index]), float(self.elevation_deg[index]), side)
        return f"{text}, {view}"


def load_views(
    split: str,
    config: RendersConfig,
    device: torch.device,
    shows: Shows = "colour",
    rig: Rig = "around",
    numbers: range | None = None,
) -> Views:
    """The views of all objects of `split` ("train" or "validation"), rendered now if the cache lacks them.

    `numbers` are those of the objects, if not from 0 to as many as `config` says; any split has such.
    """
    numbers = numbers or range(config.objects if split == "train" else config.held_out_objects)
    facts = f"{split}/{len(numbers)}/{config.size}/{VIEWS}/{FOV_DEG}/{DISTANCE}/{_world_version()}"
    facts += "" if shows == "colour" else f"/{shows}"
    facts += "" if rig == "around" else f"/{rig}"
    facts += "" if numbers.start == 0 else f"/from {numbers.start}"
    path = Path(config.cache) / f"{split}-{hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _render_all(split, numbers, config.size, shows, rig, config.workers or os.cpu_count() or 1, path)
    stored = np.load(path)
    return Views(
        torch.from_numpy(stored["rgba"]).to(device), stored["azimuth_deg"], stored["elevation_deg"],
        [str(c) for c in stored["short"]], [str(c) for c in stored["plain"]], [str(c) for c in stored["detailed"]],
    )  # fmt: skip


def load_held_out_pairs(config: RendersConfig, device: torch.device, shows: Shows) -> list[Views]:
    """Objects of the held-out pairs of category and colour, each as often as the training objects have one of theirs.

    They are others than those that are evaluated, which count from 0.
    """
    pairs = [world.split_of(category, colour) for category in CATEGORIES for colour in COLOURS]
    share = config.objects / pairs.count("train")
    counts = {split: round(share * pairs.count(split)) for split in ("validation", "test")}
    return [
        load_views(split, config, device, shows, numbers=range(FIRST_SEEN, FIRST_SEEN + count))
        for split, count in counts.items()
        if count
    ]


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


def six_angles(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [VIEWS] in degrees: two pictures from one azimuth, and the six views from it on."""
    azimuth = float(rng.uniform(0, 360))
    six = six_cameras(SIX, azimuth, SIX_DISTANCE, 1)
    elevation = np.concatenate([rng.uniform(-10, 60, 2), six.elevation_deg.numpy()])
    return np.concatenate([[azimuth] * 2, six.azimuth_deg.numpy()]) % 360, elevation


def _rendered(
    thing: world.NanoObject, azimuth: np.ndarray, elevation: np.ndarray, lens: tuple[float, float], size: int
) -> tuple[np.ndarray, world.Render]:
    """Rotations to the world [B, 3, 3] and pictures from an angle of view and a distance."""
    fov_deg, distance = lens
    c2w = np.stack([world.orbit_c2w(a, e, distance) for a, e in zip(azimuth, elevation, strict=True)])
    return c2w[:, :3, :3], world.render(thing, c2w, fov_deg, size)


def _on_one_thread() -> None:
    import numba

    numba.set_num_threads(1)


def _render_chunk(split: str, first: int, count: int, size: int, shows: Shows, rig: Rig) -> tuple[np.ndarray, ...]:
    rgba = np.empty((count * VIEWS, size, size, 8 if shows == "geometry" else 4), np.uint8)
    angles, short, plain, detailed = [], [], [], []
    for i in range(count):
        thing = world.sample_object(first + i, split)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([first + i, len(split), 77])))
        azimuth, elevation = view_angles(rng) if rig == "around" else six_angles(rng)
        for part, lens in LENSES[rig]:
            rotation, views = _rendered(thing, azimuth[part], elevation[part], lens, size)
            normal = views.normal @ rotation[:, None] / 2 + 0.5
            planes: list[np.ndarray] = [normal if shows == "normals" else views.rgb, views.opacity[..., None]]
            if shows == "geometry":
                planes += [normal, (views.depth[..., None].clip(NEAR, FAR) - NEAR) / (FAR - NEAR)]
            rgba[i * VIEWS : (i + 1) * VIEWS][part] = (np.concatenate(planes, -1) * 255 + 0.5).astype(np.uint8)
        angles.append((azimuth, elevation))
        article = "an" if thing.body[0] in "aeiou" else "a"
        short.append(f"{article} {thing.body} {thing.category}")
        plain.append(thing.caption())
        detailed.append(thing.caption(name_detail=True))
    both = np.array(angles, np.float32)
    return rgba, both[:, 0].reshape(-1), both[:, 1].reshape(-1), np.array(short), np.array(plain), np.array(detailed)


def _render_all(split: str, numbers: range, size: int, shows: Shows, rig: Rig, workers: int, path: Path) -> None:
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    jobs = [(split, chunk.start, len(chunk), size, shows, rig) for chunk in chunks]
    workers = min(workers, len(chunks))
    _log.info("rendering %d %s objects with %d processes", len(numbers), split, workers)
    if workers == 1:
        parts = [_render_chunk(*job) for job in jobs]
    else:
        # fill numba's cache, so that the processes need not compile
        world.render(world.sample_object(0, split), world.orbit_c2w(0, 0, DISTANCE)[None], FOV_DEG, 8)
        with ProcessPoolExecutor(workers, get_context("spawn"), _on_one_thread) as pool:
            parts = [future.result() for future in [pool.submit(_render_chunk, *job) for job in jobs]]
    names = ("rgba", "azimuth_deg", "elevation_deg", "short", "plain", "detailed")
    columns = [np.concatenate([part[i] for part in parts]) for i in range(len(names))]
    beside = path.with_suffix(".tmp.npz")
    stored: dict[str, Any] = dict(zip(names, columns, strict=True))
    np.savez(beside, **stored)
    beside.replace(path)
