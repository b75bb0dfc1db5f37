"""Pairs of views of the user's own meshes, for learners of novel views."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor

from maquette.annotations import (
    CountOrNone,
    ElevationDeg,
    FovDeg,
    InputPath,
    NonNegative,
    OpenFraction,
    Pixels,
    Positive,
    Range,
)
from maquette.cameras.base import Cameras, orbit_cameras
from maquette.datasets._mesh_views import KEY, MeshViews, ViewSettings, find_meshes, mesh_views
from maquette.datasets.base import PosedPairs
from maquette.errors import ConfigError
from maquette.files import cache_folder, display_path
from maquette.images.picture import Picture
from maquette.meshes.placement import Front, Placement, Up
from maquette.meshes.reading import FORMATS
from maquette.randomness import Draws
from maquette.registry import register

_log = logging.getLogger(__name__)

LISTED = 20  # unusable meshes that are named one by one


@register("dataset", "mesh-pairs")
class MeshPairs:
    """Two views of a mesh over white, from a folder of mesh files, which are rendered once and kept in a cache.

    The bounding box of a mesh is centred, its longest side the length `extent`. Cameras look at its middle, uniform in
    azimuth, over the sphere between two elevations, and in distance. Light is ambient and from a point above, whose
    direction and energy are drawn for each mesh. Meshes that cannot be read are named and left out.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 4 and its code: twelve views, distances, angle of
    view, and the last hundredth held out; renderings there are path-traced, under an area light.
    """

    @dataclass(frozen=True)
    class Config:
        path: InputPath  # folder of .glb, .gltf, .obj, .ply, .off and .stl files; subfolders are searched too
        size: Pixels = 256  # picture side in pixels
        views: Annotated[int, Range(2, 1000)] = 12  # of each mesh
        fov_y_deg: FovDeg = 49.1  # vertical angle of view
        distance: tuple[Positive, Positive] = (1.5, 2.2)  # range of the cameras' distances, scene units
        elevation_deg: tuple[ElevationDeg, ElevationDeg] = (-90.0, 90.0)  # range of the cameras' elevations
        extent: Positive = 1.0  # longest side of each mesh, scene units
        ambient: NonNegative = 0.6  # fraction of the colour that is independent of light
        diffuse: tuple[NonNegative, NonNegative] = (0.3, 0.6)  # range of the fraction that follows the light
        up: Up = "auto"  # axis of the files that points up; auto: y for glTF, z for other formats
        front: Front = "auto"  # direction of the files that objects face; auto: +z where y is up, +x where z is
        held_out: OpenFraction = 0.01  # of the meshes, at least one; they are in no batch
        cache: str = ""  # folder of the renderings; "": mesh-pairs in the cache of maquette
        workers: CountOrNone = 0  # processes that render; 0: one per core

        def __post_init__(self) -> None:
            for name in ("distance", "elevation_deg", "diffuse"):
                low, high = getattr(self, name)
                if low > high:
                    raise ValueError(f"{name} goes from the lower number to the higher, not from {low:g} to {high:g}")
            if self.distance[0] <= self.extent * 3**0.5 / 2:
                raise ValueError(
                    f"distance: a camera at {self.distance[0]:g} may be within a mesh of extent {self.extent:g}"
                )
            Placement(self.up, self.front, "extent", self.extent)
            if not Path(self.path).expanduser().is_dir():
                raise ValueError(f"path: there is no folder {self.path}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def prepare(self, device: torch.device) -> None:
        """Render what the cache lacks, and split the meshes by a hash of their content.

        Raises:
            ConfigError: the folder has fewer than two meshes that can be used.
        """
        c, folder = self.config, Path(self.config.path).expanduser()
        settings = ViewSettings(
            c.views, c.size, c.fov_y_deg, c.distance, c.elevation_deg, c.extent, c.ambient, c.diffuse, c.up, c.front
        )
        meshes = find_meshes(folder)
        _refuse_too_few(len(meshes), folder)
        cache = Path(c.cache).expanduser() if c.cache else cache_folder() / "mesh-pairs"
        entries, broken = mesh_views(meshes, settings, cache, c.workers)
        for mesh, problem in list(broken.items())[:LISTED]:
            _log.warning("left out: %s: %s", display_path(mesh), problem)
        if broken:
            _log.warning("%d of %d meshes are left out", len(broken), len(meshes))
        _refuse_too_few(len(entries), folder, len(broken))
        usable = list(entries.values())
        count = min(max(1, round(c.held_out * len(usable))), len(usable) - 1)
        self._train, self._held_out = usable[:-count], usable[-count:]
        self._device = device
        _log.info("meshes: %d to train on, %d held out, %d views of each", len(self._train), count, c.views)

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        return self._draw(self._train, draws, size)

    def held_out(self, draws: Draws, size: int) -> PosedPairs:
        return self._draw(self._held_out, draws, size)

    def sample_pairs(self, objects: int, targets: int) -> PosedPairs:
        """As in `PairDataset`; of no more objects than are held out."""
        chosen = self._held_out[:objects]
        onward = 1 + torch.arange(targets).repeat(len(chosen)) % (self.config.views - 1)
        which = torch.arange(len(chosen)).repeat_interleave(targets)
        return self._pairs(chosen, which, torch.zeros_like(which), onward)

    def _draw(self, entries: Sequence[MeshViews], draws: Draws, size: int) -> PosedPairs:
        views = self.config.views
        reference = draws.integers("reference", 0, views - 1, size)
        target = (reference + draws.integers("target", 1, views - 1, size)) % views
        return self._pairs(entries, draws.integers("mesh", 0, len(entries) - 1, size), reference, target)

    def _pairs(self, entries: Sequence[MeshViews], which: Tensor, reference: Tensor, target: Tensor) -> PosedPairs:
        """Pairs of the views `reference` and `target` of the meshes `which`, three columns of indices [B]."""
        columns = zip(which.tolist(), reference.tolist(), target.tolist(), strict=True)
        loaded = [entries[mesh].views([first, second]) for mesh, first, second in columns]
        rgba, orbits = (torch.stack(part).to(self._device) for part in zip(*loaded, strict=True))
        images = Picture.from_rgba(rgba.flatten(0, 1).float() / 255).over(1.0).unflatten(0, rgba.shape[:2])
        cameras = [self._cameras(orbits[:, column]) for column in (0, 1)]
        return PosedPairs(images[:, 0], images[:, 1], *cameras)

    def _cameras(self, orbits: Tensor) -> Cameras:
        azimuth_deg, elevation_deg, distance = orbits.unbind(-1)
        fov_y_deg = torch.full_like(distance, self.config.fov_y_deg)
        return orbit_cameras(azimuth_deg, elevation_deg, distance, fov_y_deg, self.config.size)


def _refuse_too_few(count: int, folder: Path, left_out: int = 0) -> None:
    """Raise ConfigError for fewer than two meshes."""
    if count >= 2:
        return
    formats = ", ".join(f".{name}" for name in FORMATS)
    rest = f"; the other {left_out} cannot be used, as said above" if left_out else ""
    if count == 1:
        raise ConfigError(
            f"{folder} has one mesh alone{rest}: the model would learn that every picture shows it, and no mesh would "
            "be left to measure new views on", key=KEY, hint="add meshes of other objects; dozens are few",
        )  # fmt: skip
    raise ConfigError(f"{folder} has no mesh that can be used{rest}", key=KEY, hint=f"meshes end in {formats}")
