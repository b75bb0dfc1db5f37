"""Eight renders of each object of the nano world, cached in a file."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from maquette.annotations import Count, CountOrNone, Pixels
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.cameras.six_views import FOV_Y_DEG, Layout, six_cameras
from maquette.files import atomic_path
from maquette.images.picture import Picture
from maquette.kernels.cores import available_cores
from maquette_nano import world
from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colors import COLORS

_log = logging.getLogger(f"maquette.{__name__}")  # under maquette: shown where its messages are

Shows = Literal["color", "normals", "geometry"]
"""Content of a render: shaded color, or normals n in the camera's frame encoded as n / 2 + 1/2; "geometry" is color
with normals and depth in further channels."""

Rig = Literal["around", "below", "six", "six-one-lens"]
"""Cameras of an object: "around", four at right angles and four at random; "below", the same with elevations
from -30 degrees on; "six", two references and six views, with the lens of Zero123++; "six-one-lens", the same with the
lens of the references."""

VIEWS = 8
REFERENCES = 2  # of the views of the rigs "six" and "six-one-lens"; the others are the six
FOV_DEG, DISTANCE = 35.0, 3.2
SIX: Layout = "v1.2"  # version of the Zero123++ cameras
SIX_FOV_DEG, SIX_DISTANCE = FOV_Y_DEG[SIX], world.BOUND / math.tan(math.radians(FOV_Y_DEG[SIX] / 2))
NEAR, FAR = (
    DISTANCE - world.BOUND,
    DISTANCE + world.BOUND,
)  # range of the depths that are encoded in a byte, in scene units
CHUNK = 250
FIRST_JUDGE_OBJECT = 1_000_000  # index of the first held-out object for judges
ELEVATIONS_DEG: dict[Rig, tuple[tuple[float, float], tuple[float, float]]] = {
    "around": ((0, 30), (-10, 80)),
    "below": ((-30, 30), (-30, 80)),
}
"""Rig -> ranges of elevation: of the four views at right angles, and of those at random."""
LENSES: dict[Rig, tuple[tuple[slice, tuple[float, float]], ...]] = {
    "around": ((slice(VIEWS), (FOV_DEG, DISTANCE)),),
    "below": ((slice(VIEWS), (FOV_DEG, DISTANCE)),),
    "six": ((slice(REFERENCES), (FOV_DEG, DISTANCE)), (slice(REFERENCES, VIEWS), (SIX_FOV_DEG, SIX_DISTANCE))),
    "six-one-lens": ((slice(VIEWS), (FOV_DEG, DISTANCE)),),
}
"""Rig -> (slice of the views, (angle of view in degrees, distance))."""


@dataclass(frozen=True)
class RendersConfig:
    """Options of all data sets of renders."""

    objects: Count = 20_000  # training objects
    held_out_objects: Count = 1_000  # validation objects
    size: Pixels = 64  # image side in pixels
    cache: str = ".cache/nano-world"  # folder of the rendered images
    workers: CountOrNone = 0  # processes that render; 0: one per core


@dataclass
class Views:
    """Rendered views with straight color (or encoded normals) and coverage, and the captions of each object."""

    channels: Tensor  # [objects * VIEWS, size, size, 4] bytes; or 8, with normal and depth last
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    short: list[str]
    plain: list[str]
    detailed: list[str]

    def __post_init__(self) -> None:
        front_distance_deg = np.abs((self.azimuth_deg + 180) % 360 - 180)
        self.front = np.flatnonzero(front_distance_deg < 45)

    @property
    def rgba(self) -> Tensor:
        """Color and coverage [objects * VIEWS, size, size, 4], bytes."""
        return self.channels[..., :4]

    def concatenate(self, *others: Views) -> Views:
        """These views, followed by views of other objects."""
        all_views = (self, *others)
        return Views(
            torch.cat([views.channels for views in all_views]),
            np.concatenate([views.azimuth_deg for views in all_views]),
            np.concatenate([views.elevation_deg for views in all_views]),
            *(
                [text for views in all_views for text in getattr(views, name)]
                for name in ("short", "plain", "detailed")
            ),
        )

    def geometry(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Normals in the camera's frame [B, H, W, 3] and distances along the ray [B, H, W, 1] of the views `index`."""
        normal_and_depth = self.channels[index.to(self.channels.device), ..., 4:].float() / 255
        return normal_and_depth[..., :3] * 2 - 1, NEAR + (FAR - NEAR) * normal_and_depth[..., 3:]

    def picture(self, index: Tensor) -> Picture:
        """Pictures of the views `index` [B]."""
        return Picture.from_rgba(self.rgba[index.to(self.rgba.device)].float() / 255)

    def over(self, index: Tensor, background: Tensor) -> Tensor:
        """Images [B, H, W, 3] in [0, 1] of the views `index` [B] over plain colours [B, 3]."""
        return self.picture(index).over(background.to(self.rgba.device)[:, None, None, :])

    def cameras(self, index: Tensor) -> Cameras:
        """Cameras of the views `index` [B]."""
        one = torch.ones(len(index))
        azimuth, elevation = (torch.from_numpy(angles)[index] for angles in (self.azimuth_deg, self.elevation_deg))
        return orbit_cameras(azimuth, elevation, DISTANCE * one, FOV_DEG * one, self.rgba.shape[1])

    def caption(self, index: int, short: bool, detailed: bool, name_view: bool, name_side: bool) -> str:
        number = index // VIEWS
        text = self.short[number] if short else self.detailed[number] if detailed else self.plain[number]
        if not name_view:
            return text
        view = world.view_word(float(self.azimuth_deg[index]), float(self.elevation_deg[index]), name_side)
        return f"{text}, {view}"


def load_views(
    split: str,
    config: RendersConfig,
    device: torch.device,
    shows: Shows = "color",
    rig: Rig = "around",
    numbers: range | None = None,
) -> Views:
    """The views of the objects of `split` ("train", "validation" or "test"), rendered if they are not cached.

    `numbers` are the indices of the objects; None: from 0 to the number of objects in `config`.
    """
    numbers = numbers or range(config.objects if split == "train" else config.held_out_objects)
    facts = f"{split}/{len(numbers)}/{config.size}/{VIEWS}/{FOV_DEG}/{DISTANCE}/{world_version()}"
    facts += "" if shows == "color" else f"/{shows}"
    facts += "" if rig == "around" else f"/{rig}"
    facts += "" if numbers.start == 0 else f"/from {numbers.start}"
    path = Path(config.cache) / f"{split}-{hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()}.npz"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        _render_all(split, numbers, config.size, shows, rig, config.workers or available_cores(), path)
    stored = np.load(path)
    return Views(
        torch.from_numpy(stored["rgba"]).to(device), stored["azimuth_deg"], stored["elevation_deg"],
        [str(c) for c in stored["short"]], [str(c) for c in stored["plain"]], [str(c) for c in stored["detailed"]],
    )  # fmt: skip


def load_held_out_pairs(config: RendersConfig, device: torch.device, shows: Shows) -> list[Views]:
    """Views of held-out pairs of category and colour, with as many objects per pair as in training.

    Their indices start at `FIRST_JUDGE_OBJECT`, so that they differ from the evaluated objects, which start at 0.
    """
    pairs = [world.split_of(category, color) for category in CATEGORIES for color in COLORS]
    objects_per_pair = config.objects / pairs.count("train")
    counts = {split: round(objects_per_pair * pairs.count(split)) for split in ("validation", "test")}
    return [
        load_views(split, config, device, shows, numbers=range(FIRST_JUDGE_OBJECT, FIRST_JUDGE_OBJECT + count))
        for split, count in counts.items()
        if count
    ]


def random_background_colors(uniform: Tensor) -> Tensor:
    """Background colours [n, 3]: light greys with a slight tint, from uniform numbers [n, 4]."""
    return (0.45 + 0.55 * uniform[:, :1].sqrt() - 0.15 * uniform[:, 1:]).clamp(0, 1)


def world_version() -> str:
    """A hash of the source code of the world; part of the cache key, so that a changed world is rendered again."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(Path(world.__file__).parent.rglob("*.py")):
        if path.name != "meshing.py" and path != Path(world.__file__):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def view_angles(rng: np.random.Generator, rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [VIEWS] in degrees: four at right angles, four at random."""
    of_group, anywhere = ELEVATIONS_DEG[rig]
    start, group_elevation = rng.uniform(0, 360), rng.uniform(*of_group)
    azimuth = np.concatenate([start + np.arange(4) * 90, rng.uniform(0, 360, VIEWS - 4)]) % 360
    elevation = np.concatenate([np.full(4, group_elevation), rng.uniform(*anywhere, VIEWS - 4)])
    return azimuth, elevation


def six_angles(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [VIEWS] in degrees: two references at one azimuth, and the six views relative to it."""
    azimuth = float(rng.uniform(0, 360))
    six = six_cameras(SIX, azimuth, SIX_DISTANCE, 1)
    elevation = np.concatenate([rng.uniform(-10, 60, REFERENCES), six.elevation_deg.numpy()])
    return np.concatenate([[azimuth] * REFERENCES, six.azimuth_deg.numpy()]) % 360, elevation


def _render_views(
    obj: world.NanoObject, azimuth: np.ndarray, elevation: np.ndarray, lens: tuple[float, float], size: int
) -> tuple[np.ndarray, world.Render]:
    """Camera-to-world rotations [B, 3, 3] and renders with an angle of view and distance `lens`."""
    fov_deg, distance = lens
    c2w = np.stack([world.orbit_c2w(a, e, distance) for a, e in zip(azimuth, elevation, strict=True)])
    return c2w[:, :3, :3], world.render(obj, c2w, fov_deg, size)


def _on_one_thread() -> None:
    import numba

    numba.set_num_threads(1)


def _render_chunk(split: str, first: int, count: int, size: int, shows: Shows, rig: Rig) -> tuple[np.ndarray, ...]:
    rgba = np.empty((count * VIEWS, size, size, 8 if shows == "geometry" else 4), np.uint8)
    angles, short, plain, detailed = [], [], [], []
    for i in range(count):
        obj = world.sample_object(first + i, split)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([first + i, len(split), 77])))
        azimuth, elevation = six_angles(rng) if rig.startswith("six") else view_angles(rng, rig)
        for part, lens in LENSES[rig]:
            rotation, views = _render_views(obj, azimuth[part], elevation[part], lens, size)
            normal = views.normal @ rotation[:, None] / 2 + 0.5
            planes: list[np.ndarray] = [normal if shows == "normals" else views.rgb, views.opacity[..., None]]
            if shows == "geometry":
                planes += [normal, (views.depth[..., None].clip(NEAR, FAR) - NEAR) / (FAR - NEAR)]
            rgba[i * VIEWS : (i + 1) * VIEWS][part] = (np.concatenate(planes, -1) * 255 + 0.5).astype(np.uint8)
        angles.append((azimuth, elevation))
        article = "an" if obj.body[0] in "aeiou" else "a"
        short.append(f"{article} {obj.body} {obj.category}")
        plain.append(obj.caption())
        detailed.append(obj.caption(name_detail=True))
    both = np.array(angles, np.float32)
    return rgba, both[:, 0].reshape(-1), both[:, 1].reshape(-1), np.array(short), np.array(plain), np.array(detailed)


def in_processes(function: Callable[..., tuple[np.ndarray, ...]], jobs: Sequence[tuple[Any, ...]],
                 workers: int) -> list[tuple[np.ndarray, ...]]:  # fmt: skip
    """Results of `function` for the arguments of each job, in their order, computed by up to `workers` processes."""
    workers = min(workers, len(jobs))
    if workers == 1:
        return [function(*job) for job in jobs]
    # fill numba's cache, so that the processes need not compile
    world.render(world.sample_object(0, "train"), world.orbit_c2w(0, 0, DISTANCE)[None], FOV_DEG, 8)
    with ProcessPoolExecutor(workers, get_context("spawn"), _on_one_thread) as pool:
        return [future.result() for future in [pool.submit(function, *job) for job in jobs]]


def _render_all(split: str, numbers: range, size: int, shows: Shows, rig: Rig, workers: int, path: Path) -> None:
    chunks = [numbers[start : start + CHUNK] for start in range(0, len(numbers), CHUNK)]
    jobs = [(split, chunk.start, len(chunk), size, shows, rig) for chunk in chunks]
    _log.info("rendering %d %s objects with %d processes", len(numbers), split, min(workers, len(chunks)))
    parts = in_processes(_render_chunk, jobs, workers)
    names = ("rgba", "azimuth_deg", "elevation_deg", "short", "plain", "detailed")
    columns = [np.concatenate([part[i] for part in parts]) for i in range(len(names))]
    stored: dict[str, Any] = dict(zip(names, columns, strict=True))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **stored)
