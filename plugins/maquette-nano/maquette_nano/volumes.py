"""Data set of nano objects with posed views and signed distances on a grid, for learners of views to volume."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Count, CountOrNone, ElevationDeg, Fraction, NonNegative, Pixels, Samples
from maquette.cameras.base import orbit_cameras
from maquette.cameras.six_views import AZIMUTHS_DEG, ELEVATIONS_DEG
from maquette.datasets.base import ViewsWithDistances
from maquette.files import atomic_path
from maquette.images.picture import Picture
from maquette.kernels.cores import available_cores
from maquette.randomness import Draws
from maquette.registry import register
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG, in_processes, random_background_colors, world_version
from maquette_nano.sampled import SampledViewsConfig, sample_chunk

_log = logging.getLogger(f"maquette.{__name__}")  # under maquette: shown where its messages are

BOUND = 0.84  # half side of the cube: objects have a radius of 0.8
FOUR, SIX, SAMPLED = 4, 6, 7  # views of the two rigs; sampled views with their picture
RIGS = {FOUR: range(FOUR), SIX: range(FOUR, FOUR + SIX)}  # number of views -> which of an object's views
CHUNK = 100  # objects per job of a process
WARP_GRID = (4, 4)  # points of a smooth warp, rows and columns
STEPS = 127  # of a truncated distance in a signed byte

Objects = TypeVar("Objects", bound=ViewsWithDistances)


@dataclass(frozen=True)
class VolumesConfig:
    """Options of the data sets of nano objects with volumes."""

    objects: Count = 3000  # training objects
    held_out_objects: Count = 128  # validation objects
    size: Pixels = 64  # picture side in pixels
    resolution: Samples = 32  # cells along a side of the cube
    four_elevation_deg: tuple[ElevationDeg, ElevationDeg] = (5.0, 25.0)  # range of the four views' one elevation
    white: Fraction = 0.7  # probability of a white background; else a light grey with a tint
    turned: Fraction = 0.5  # probability that an object and its cameras are turned
    perturbed: Fraction = 0.5  # probability of each perturbation of an object's pictures
    shift: NonNegative = 1.0  # largest shift of a picture along each axis, pixels
    warp: NonNegative = 0.0  # largest displacement of a smooth warp of a picture along each axis, pixels
    blur: NonNegative = 0.8  # largest standard deviation of the blur, pixels
    brightness: Fraction = 0.05  # largest relative change of a picture's brightness
    sampled: SampledViewsConfig = field(default_factory=SampledViewsConfig)
    sampled_batches: Fraction = 0.3  # probability that a batch has sampled views, if there are any
    cache: str = ".cache/nano-world"  # folder of the rendered pictures
    workers: CountOrNone = 0  # processes that render; 0: one per core


@register("dataset", "nano-volumes")
class NanoVolumes:
    """Nano objects from four sides at right angles and from the six of Zero123++, with truncated signed distances.

    The cameras of both rigs stand at a random azimuth. Half of the objects have the elevations of Zero123++ v1.1, the
    others those of v1.2, all with the lens of the other nano data sets. An object faces the front, or is turned about
    the vertical axis with its cameras, since views relative to a picture do not tell where its front is.

    Training pictures are perturbed as sampled views are: shifted against each other, blurred, of unequal brightness.
    Some can be sampled views indeed: six of a novel-view prior, with or without the picture that it sampled them from.
    """

    @dataclass(frozen=True)
    class Config(VolumesConfig):
        six: Fraction = 0.5  # probability that a batch has six views; else four

    bound = BOUND
    view_counts: Sequence[int] = tuple(RIGS)

    def __init__(self, config: Config) -> None:
        self.config = config
        self.resolution = config.resolution

    def prepare(self, device: torch.device) -> None:
        self._train = load_volumes("train", self.config, device)
        self._held_out = load_volumes("validation", self.config, device)
        self._sampled = load_sampled_volumes(self.config, device) if self.config.sampled.objects else None

    def batch(self, draws: Draws, size: int) -> ViewsWithDistances:
        sampled, picture = draws.uniform("sampled", 2).tolist()
        if self._sampled is not None and sampled < self.config.sampled_batches:
            return self._draw(self._sampled, draws, size, range(SAMPLED if picture < 0.5 else SIX), perturbed=False)
        six = draws.uniform("six", 1).item() < self.config.six
        return self._draw(self._train, draws, size, RIGS[SIX if six else FOUR], perturbed=True)

    def held_out(self, draws: Draws, size: int, views: int, perturbed: bool = False) -> ViewsWithDistances:
        return self._draw(self._held_out, draws, size, RIGS[views], perturbed)

    def sample_objects(self, count: int, views: int) -> ViewsWithDistances:
        index = torch.linspace(0, len(self._held_out) - 1, count).long()
        return self._held_out.select(index, RIGS[views], torch.ones(count, 3), torch.full((count,), -1))

    def _draw(
        self, volumes: Volumes, draws: Draws, size: int, rig: Sequence[int], perturbed: bool
    ) -> ViewsWithDistances:
        chosen = choose(volumes, self.config, draws, size)
        objects = volumes.select(chosen.index, rig, chosen.background, chosen.quarters)
        return perturb(objects, self.config, draws.sub("perturb")) if perturbed else objects


@dataclass(frozen=True)
class Chosen:
    """Randomly chosen objects: their numbers [B], background colours [B, 3], and quarter turns [B] (-1: not turned)."""

    index: Tensor
    background: Tensor
    quarters: Tensor


def choose(volumes: Volumes, config: VolumesConfig, draws: Draws, size: int) -> Chosen:
    """`size` of the objects, how each is turned and what stands behind it."""
    index = draws.integers("object", 0, len(volumes) - 1, size)
    white = draws.uniform("white", size, 1) < config.white
    background = torch.where(white, 1.0, random_background_colors(draws.uniform("background", size, 4)))
    turned = draws.uniform("turned", size) < config.turned
    return Chosen(index, background, torch.where(turned, draws.integers("quarters", 0, 3, size), -1))


def perturb(objects: Objects, config: VolumesConfig, draws: Draws) -> Objects:
    """The objects with their pictures shifted, blurred and of changed brightness, each with its probability."""
    count = len(objects.images)
    views = count // len(objects.distances)
    chosen = (draws.uniform("which", 3, count // views) < config.perturbed).float().repeat_interleave(views, dim=1)
    offset = draws.uniform("shift", count, 2, low=-config.shift, high=config.shift) * chosen[0, :, None]
    deviation = draws.uniform("blur", count, high=config.blur) * chosen[1]
    factor = 1 + draws.uniform("brightness", count, low=-1, high=1) * config.brightness * chosen[2]
    images = shift_and_blur(objects.images, offset.to(objects.images), deviation.to(objects.images))
    if config.warp:
        ends = draws.uniform("warp", count, 2, *WARP_GRID, low=-config.warp, high=config.warp)
        warped = draws.uniform("warped", count // views) < config.perturbed
        images = warp(images, (ends * warped.repeat_interleave(views)[:, None, None, None]).to(images))
    images = (images * factor.to(images)[:, None, None, None]).clamp(0, 1)
    return replace(objects, images=images)


@dataclass(frozen=True)
class Volumes:
    """K objects with their views and distances, in bytes.

    Args:
        rgba: straight color and coverage [K, V, size, size, 4], the views of both rigs one after the other; or sampled
            views over white, opaque.
        azimuth_deg, elevation_deg: of the cameras [K, V].
        distances: truncated distances in 127ths of a cell [K, 2, N, N, N]: of the object, and of the turned object.
        turn_deg: angle of the turned objects [K].
    """

    rgba: Tensor
    azimuth_deg: Tensor
    elevation_deg: Tensor
    distances: Tensor
    turn_deg: Tensor

    def __len__(self) -> int:
        return len(self.rgba)

    def angles_deg(self, index: Tensor, quarters: Tensor) -> Float[Tensor, " B"]:
        """Angles by which the objects `index` [B] are turned about the vertical axis."""
        turn = quarters.to(self.turn_deg.device)
        return torch.where(turn >= 0, self.turn_deg[index.to(turn.device)] + 90 * turn, 0.0)

    def select(
        self, index: Tensor, rig: Sequence[int], background: Float[Tensor, "B 3"], quarters: Tensor
    ) -> ViewsWithDistances:
        """Objects `index` [B] in the views `rig` over plain colours; turned by their angle and `quarters` [B] quarter
        turns, or facing the front where `quarters` is -1."""
        device, views = self.rgba.device, torch.tensor(rig)
        index, turn = index.to(device), quarters.to(device)
        of_views = (index[:, None], views.to(device))
        picture = Picture.from_rgba(self.rgba[of_views].flatten(0, 1).float() / 255)
        images = picture.over(background.to(device).repeat_interleave(len(views), dim=0)[:, None, None, :])
        angle_deg = self.angles_deg(index, turn)
        azimuth_deg = (self.azimuth_deg[of_views] + angle_deg[:, None]).flatten()
        elevation_deg, one = self.elevation_deg[of_views].flatten(), torch.ones_like(azimuth_deg)
        cameras = orbit_cameras(azimuth_deg, elevation_deg, DISTANCE * one, FOV_DEG * one, images.shape[1])
        grids = self.distances[index, (turn >= 0).long()]
        grids = torch.stack([grid.rot90(max(k, 0), (0, 1)) for grid, k in zip(grids, quarters.tolist(), strict=True)])
        cell = 2 * BOUND / grids.shape[-1]
        return ViewsWithDistances(images, picture.alpha, cameras, grids.float() * (cell / STEPS))


def shift_and_blur(
    images: Float[Tensor, "B H W 3"], offset: Float[Tensor, "B 2"], deviation: Float[Tensor, " B"]
) -> Float[Tensor, "B H W 3"]:
    """Pictures shifted by `offset` pixels (right, down) and blurred by Gaussians of 5 pixels; borders are repeated.

    Both are one separable filter: a Gaussian about the offset, sampled at whole pixels. Where it is narrower than the
    grid, linear interpolation takes its place.
    """
    place = torch.arange(-2, 3, device=images.device) + offset[:, :, None]  # [B, 2, 5]; -offset is the centre
    linear = (1 - place.abs()).clamp(min=0)
    gaussian = torch.exp(-0.5 * (place / deviation.clamp(min=1e-3)[:, None, None]).square())
    kernel = torch.where((deviation > 0.3)[:, None, None], gaussian, linear)
    kernel = kernel / kernel.sum(-1, keepdim=True)
    count, height, width, channels = images.shape
    stack = functional.pad(images.permute(3, 0, 1, 2), (2, 2, 2, 2), mode="replicate")  # [3, B, H + 4, W + 4]
    across, down = kernel[:, 0, None, None, :], kernel[:, 1, None, :, None]
    stack = functional.conv2d(stack, across, groups=count)
    stack = functional.conv2d(stack, down, groups=count)
    return stack.permute(1, 2, 3, 0).reshape(count, height, width, channels)


def warp(images: Float[Tensor, "B H W 3"], displacement: Float[Tensor, "B 2 h w"]) -> Float[Tensor, "B H W 3"]:
    """Pictures whose pixels are taken from `displacement` pixels (right, down) away, interpolated between points."""
    height, width = images.shape[1:3]
    field = functional.interpolate(displacement, (height, width), mode="bicubic", align_corners=True)
    rows, columns = (((torch.arange(n, device=images.device) + 0.5) / n * 2 - 1) for n in (height, width))
    x = columns + field[:, 0] * 2 / width
    y = rows[:, None] + field[:, 1] * 2 / height
    places, pictures = torch.stack([x, y], dim=-1), images.permute(0, 3, 1, 2)
    warped = functional.grid_sample(pictures, places, padding_mode="border", align_corners=False)
    return warped.permute(0, 2, 3, 1)


def load_volumes(split: str, config: VolumesConfig, device: torch.device) -> Volumes:
    """The objects of `split` ("train", "validation" or "test"), rendered if they are not cached."""
    count = config.objects if split == "train" else config.held_out_objects
    facts = f"{split}/{count}/{config.size}/{config.resolution}/{config.four_elevation_deg}"
    jobs = [
        (split, first, min(CHUNK, count - first), config.size, config.resolution, config.four_elevation_deg)
        for first in range(0, count, CHUNK)
    ]
    return _load(f"volumes-{split}", facts, _render_chunk, jobs, config, device)


def load_sampled_volumes(config: VolumesConfig, device: torch.device) -> Volumes:
    """The training objects with sampled views; the prior samples them if they are not cached."""
    facts = f"{config.size}/{config.resolution}/{config.sampled}"
    jobs = [
        (config.sampled, first, min(CHUNK, config.sampled.objects - first), config.size, config.resolution)
        for first in range(0, config.sampled.objects, CHUNK)
    ]
    return _load("volumes-sampled", facts, _sampled_chunk, jobs, config, device)


def _load(
    name: str,
    facts: str,
    function: Callable[..., tuple[np.ndarray, ...]],
    jobs: Sequence[tuple[Any, ...]],
    config: VolumesConfig,
    device: torch.device,
) -> Volumes:
    """Volumes of the file for these facts, which the jobs make if it is missing."""
    key = hashlib.blake2b(f"{facts}/{FOV_DEG}/{DISTANCE}/{BOUND}/{world_version()}".encode(), digest_size=6)
    path = Path(config.cache) / f"{name}-{key.hexdigest()}.npz"
    columns = tuple(item.name for item in fields(Volumes))
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        workers = min(config.workers or available_cores(), len(jobs))
        _log.info("rendering %s in %d parts with %d processes", name, len(jobs), workers)
        parts = in_processes(function, jobs, workers)
        arrays: dict[str, Any] = {
            column: np.concatenate([part[i] for part in parts]) for i, column in enumerate(columns)
        }
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
    stored = np.load(path)
    return Volumes(*(torch.from_numpy(stored[column]).to(device) for column in columns))


def rig_angles(rng: np.random.Generator, four_elevation_deg: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Azimuths and elevations [10] in degrees: four at right angles, and six as those of Zero123++."""
    four = rng.uniform(0, 360) + np.arange(FOUR) * 90.0
    six = rng.uniform(0, 360) + np.array(AZIMUTHS_DEG)
    pair = ELEVATIONS_DEG["v1.1" if rng.uniform() < 0.5 else "v1.2"]
    elevation = np.concatenate([np.full(FOUR, rng.uniform(*four_elevation_deg)), np.tile(pair, SIX // 2)])
    return np.concatenate([four, six]) % 360, elevation


def truncated_distances(obj: world.NanoObject, resolution: int, turn_deg: float = 0.0) -> np.ndarray:
    """Distances of the object turned by `turn_deg` about z, [N, N, N], truncated at a cell, in 127ths of it, int8."""
    cell = 2 * BOUND / resolution
    axis = (np.arange(resolution) + 0.5) * cell - BOUND
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    cosine, sine = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    points = np.stack([x * cosine + y * sine, y * cosine - x * sine, z], -1).reshape(-1, 3)
    distances = obj.sdf(points.astype(np.float32)).reshape(x.shape)
    return np.rint((distances / cell).clip(-1, 1) * STEPS).astype(np.int8)


def _render_chunk(
    split: str, first: int, count: int, size: int, resolution: int, four_elevation_deg: tuple[float, float]
) -> tuple[np.ndarray, ...]:
    rgba = np.empty((count, FOUR + SIX, size, size, 4), np.uint8)
    distances = np.empty((count, 2, resolution, resolution, resolution), np.int8)
    angles = np.empty((2, count, FOUR + SIX), np.float32)
    turns_deg = np.empty(count, np.float32)
    for i in range(count):
        obj = world.sample_object(first + i, split)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([first + i, len(split), 78])))
        angles[:, i] = rig_angles(rng, four_elevation_deg)
        turns_deg[i] = rng.uniform(0, 360)
        c2w = np.stack([world.orbit_c2w(a, e, DISTANCE) for a, e in angles[:, i].T])
        views = world.render(obj, c2w, FOV_DEG, size)
        rgba[i] = (np.concatenate([views.rgb, views.opacity[..., None]], -1) * 255 + 0.5).astype(np.uint8)
        distances[i] = [truncated_distances(obj, resolution, turn) for turn in (0.0, float(turns_deg[i]))]
    return rgba, angles[0], angles[1], distances, turns_deg


def _sampled_chunk(
    sampled: SampledViewsConfig, first: int, count: int, size: int, resolution: int
) -> tuple[np.ndarray, ...]:
    turns_deg = np.random.Generator(np.random.PCG64(np.random.SeedSequence([first, count, 80]))).uniform(0, 360, count)
    objects = [world.sample_object(first + i, "train") for i in range(count)]
    distances = [
        [truncated_distances(obj, resolution, angle) for angle in (0.0, float(turn))]
        for obj, turn in zip(objects, turns_deg, strict=True)
    ]
    return *sample_chunk(sampled, first, count, size), np.array(distances), turns_deg.astype(np.float32)
