"""Views of mesh files: rendered by several processes, and kept in a cache by content and settings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import Cameras, orbit_cameras, orbit_directions
from maquette.errors import ConfigError, RunError
from maquette.files import atomic_path, display_path
from maquette.geometry.mesh import TriangleMesh
from maquette.images.picture import Picture
from maquette.kernels.cores import available_cores
from maquette.materials.base import Shading
from maquette.materials.diffuse import Diffuse
from maquette.meshes.placement import Front, Placement, Up
from maquette.meshes.reading import FORMATS, inspect_mesh
from maquette.randomness import Draws
from maquette.renderers.base import View
from maquette.renderers.mesh import MeshRenderer
from maquette.weights.hashes import content_hash

_log = logging.getLogger(__name__)

VERSION = 1  # of the renderings; part of the cache's key
KEY = "dataset.path"
REFERRING = ("obj", "gltf", "ply")  # formats whose materials and textures are files beside them
LARGEST_TEXTURE = 1024  # texels along a side; larger ones are shrunk
CHUNK = 4  # views rendered at once
MESHES_PER_PROCESS = 8  # fewer are not worth the start of a process
LIGHT_DISTANCE = 4.0  # of the point light, in distances of the farthest camera
LOG_EVERY_SECONDS = 15.0


@dataclass(frozen=True)
class ViewSettings:
    """How the views of a mesh are taken.

    Args:
        views: of each mesh.
        size: picture side in pixels.
        fov_y_deg: vertical angle of view.
        distance, elevation_deg: ranges of the cameras; elevations are uniform over the sphere between.
        extent: longest side of a mesh, scene units.
        ambient: fraction of the colour that is independent of light.
        diffuse: range of the fraction that follows the cosine law, drawn once for each mesh, as its light's direction.
        up, front: axes of the files, as of `Placement`.
        supersampling: pictures are rendered this many times larger per side and averaged.
    """

    views: int
    size: int
    fov_y_deg: float
    distance: tuple[float, float]
    elevation_deg: tuple[float, float]
    extent: float
    ambient: float
    diffuse: tuple[float, float]
    up: Up
    front: Front
    supersampling: int = 2

    @property
    def digest(self) -> str:
        """Key of the settings in the cache."""
        text = json.dumps([VERSION, dataclasses.asdict(self)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class MeshViews:
    """The rendered views of one mesh, in a file.

    Args:
        mesh: the mesh file.
        file: safetensors with `rgba` [V, H, W, 4] in bytes, straight, and azimuth_deg, elevation_deg, distance [V].
    """

    mesh: Path
    file: Path

    def views(self, indices: Sequence[int]) -> tuple[UInt8[Tensor, "n H W 4"], Float[Tensor, "n 3"]]:
        """Pictures, and azimuth in degrees, elevation in degrees and distance, of some of the views."""
        from safetensors import safe_open

        with safe_open(self.file, framework="pt") as stored:
            rgba = stored.get_slice("rgba")
            angles = torch.stack([stored.get_tensor(name) for name in ("azimuth_deg", "elevation_deg", "distance")], -1)
            return torch.stack([rgba[index] for index in indices]), angles[list(indices)]


def find_meshes(folder: Path) -> list[Path]:
    """The mesh files in a folder and its subfolders, in the order of their paths; hidden ones are left out."""
    files = (path for path in folder.rglob("*") if _is_mesh(path))
    visible = (path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(path for path in visible if path.is_file())


def content_key(mesh: Path) -> str:
    """Key of a mesh in the cache: a hash of its file and, where its format refers to others, of those around it.

    Raises:
        OSError: a file cannot be read.
    """
    digest = content_hash(mesh)
    if mesh.suffix.lower().lstrip(".") in REFERRING:
        others = [f"{path.relative_to(mesh.parent)} {content_hash(path)}" for path in _companions(mesh.parent)]
        digest = hashlib.sha256("\n".join([digest, *others]).encode(errors="surrogateescape")).hexdigest()
    return digest[:32]


def _companions(folder: Path) -> list[Path]:
    """Files of a folder that are no meshes; also in subfolders, but for subfolders with meshes of their own."""
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file() and not _is_mesh(path):
            files.append(path)
        elif path.is_dir() and not any(_is_mesh(each) for each in path.iterdir()):
            files += _companions(path)
    return files


def _is_mesh(path: Path) -> bool:
    return path.suffix.lower().lstrip(".") in FORMATS


def mesh_views(
    meshes: Sequence[Path], settings: ViewSettings, cache: Path, workers: int
) -> tuple[dict[str, MeshViews], dict[Path, str]]:
    """The views of mesh files, rendered where the cache has none; what is rendered is kept if the process is stopped.

    Args:
        workers: processes that render; 0: one per core.

    Returns:
        Content key -> views, in the order of the keys, and mesh file -> why it cannot be used.
    """
    folder = cache / settings.digest
    files: dict[str, MeshViews] = {}
    broken: dict[Path, str] = {}
    for mesh in meshes:
        try:
            key = content_key(mesh)
        except OSError as problem:
            broken[mesh] = str(problem.strerror or problem)
            continue
        if key in files:
            _log.info("%s has the content of %s", display_path(mesh), display_path(files[key].mesh))
        files.setdefault(key, MeshViews(mesh, folder / f"{key}.safetensors"))
    missing = {key: entry for key, entry in files.items() if not entry.file.is_file()}
    for key, reason in _render_all(missing, settings, workers):
        broken[files.pop(key).mesh] = reason
    return dict(sorted(files.items())), broken


def _render_all(missing: dict[str, MeshViews], settings: ViewSettings, workers: int) -> Iterator[tuple[str, str]]:
    """Render what is missing; gives key and problem of each mesh that cannot be used."""
    if not missing:
        return
    processes = max(1, min(workers or available_cores(), len(missing) // MESHES_PER_PROCESS))
    _log.info("rendering %d views of each of %d meshes, processes: %d", settings.views, len(missing), processes)
    progress = _Progress(len(missing))
    try:
        if processes == 1:
            for key, entry in missing.items():
                if problem := render_mesh(entry, key, settings):
                    yield key, problem
                progress.advance()
            return
        with ProcessPoolExecutor(processes, get_context("spawn"), _on_one_thread) as pool:
            jobs: dict[Future[str], str] = {}
            try:
                for key, entry in missing.items():
                    jobs[pool.submit(render_mesh, entry, key, settings)] = key
                for job in as_completed(jobs):
                    if problem := job.result():
                        yield jobs[job], problem
                    progress.advance()
            except BrokenProcessPool as death:
                raise RunError(
                    "a process that rendered meshes was killed, perhaps for want of memory; what it rendered is kept: "
                    "go on with fewer processes, dataset.workers=1"
                ) from death
            finally:
                pool.shutdown(cancel_futures=True)
    finally:
        progress.close()


def render_mesh(entry: MeshViews, key: str, settings: ViewSettings) -> str:
    """Render the views of a mesh into its file, by its content and the settings alone; returns why it cannot be."""
    from safetensors.torch import save_file

    try:
        rgba, cameras = _render(entry.mesh, settings, Draws(int(key[:15], 16), 0, "mesh views/"))
    except ConfigError as problem:
        return problem.message
    except (ArithmeticError, MemoryError, ValueError) as problem:
        return f"{type(problem).__name__}: {' '.join(str(problem).split())}"
    columns = {name: getattr(cameras, name).contiguous() for name in ("azimuth_deg", "elevation_deg", "distance")}
    with atomic_path(entry.file) as place:
        save_file({"rgba": rgba, **columns}, place)
    return ""


@torch.no_grad()
def _render(mesh: Path, settings: ViewSettings, draws: Draws) -> tuple[UInt8[Tensor, "V H W 4"], Cameras]:
    placement = Placement(settings.up, settings.front, "extent", settings.extent)
    read = inspect_mesh(mesh, placement, LARGEST_TEXTURE, KEY).value
    colors: Literal["vertex", "texture"] = "vertex" if read.texture is None else "texture"
    shape = TriangleMesh.Config(subdivisions=0, bound=settings.extent, size=settings.extent, colors=colors)
    geometry = TriangleMesh(shape)
    geometry.replace_mesh(read)
    renderer = MeshRenderer(MeshRenderer.Config(supersampling=settings.supersampling), geometry.bound)
    material, background = Diffuse(Diffuse.Config()), Solid(Solid.Config())
    cameras, (low, high) = mesh_cameras(settings, draws), settings.diffuse
    shading = Shading(settings.ambient, float(draws.uniform("energy", 1, low=low, high=high)))
    rgba = []
    for start in range(0, settings.views, CHUNK):
        view = View(cameras[start : start + CHUNK], shading)
        rendering = renderer.render(geometry, material, background, view)
        picture = Picture.from_composited(rendering.rgb.clamp(0, 1), rendering.opacity.clamp(0, 1), 1.0)
        rgba.append((picture.rgba * 255 + 0.5).byte())
    return torch.cat(rgba), cameras


def mesh_cameras(settings: ViewSettings, draws: Draws) -> Cameras:
    """Cameras of the views of one mesh, uniform over the sphere between two elevations, with one light from above."""
    count = settings.views
    bottom, top = (torch.deg2rad(torch.tensor(angle)).sin().item() for angle in settings.elevation_deg)
    elevation_deg = torch.rad2deg(draws.uniform("height", count, low=bottom, high=top).clamp(-1, 1).asin())
    low, high = settings.distance
    distance = draws.uniform("distance", count, low=low, high=high)
    towards = orbit_directions(draws.uniform("light", 1, high=360.0), torch.rad2deg(draws.uniform("above", 1).asin()))
    return orbit_cameras(
        draws.uniform("azimuth", count, high=360.0), elevation_deg, distance,
        torch.full((count,), settings.fov_y_deg), settings.size, (LIGHT_DISTANCE * high * towards).expand(count, 3),
    )  # fmt: skip


def _on_one_thread() -> None:
    import numba

    numba.set_num_threads(1)
    torch.set_num_threads(1)


class _Progress:
    """A live bar on a terminal, lines in a log elsewhere."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._total, self._done, self._last = total, 0, time.monotonic()
        console = Console(stderr=True)
        self._bar = Progress(console=console, transient=True) if console.is_terminal else None
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("meshes", total=total)

    def advance(self) -> None:
        """Count one more mesh."""
        self._done += 1
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done)
        elif time.monotonic() - self._last > LOG_EVERY_SECONDS:
            self._last = time.monotonic()
            _log.info("meshes rendered: %d of %d", self._done, self._total)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
