"""The textured mesh of a subject, made once for all exporters that write or draw it; what pictures are drawn from."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor

from maquette.annotations import CountOrNone, Fraction, Positive, Range
from maquette.errors import RunError
from maquette.export.base import Subject
from maquette.export.drawing import MeshDrawing
from maquette.files import write_atomically
from maquette.geometry.splat_cloud import SplatCloud
from maquette.materials.base import Reflectance
from maquette.meshes.clean import simplify, smooth
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.repair import repair
from maquette.meshes.texture import bake, bake_texels, unwrap
from maquette.scene import RenderedViews, Threshold

_log = logging.getLogger(__name__)

Of = Literal["auto", "scene", "mesh"]
"""What pictures show: the exported mesh, or the scene as its renderer draws it; auto: Gaussians, or else the mesh."""

PICTURES_FILE = "pictures.json"  # in the folder of exports: file name -> what it shows


@dataclass(frozen=True)
class MeshSettings:
    """How the textured mesh of a subject is made."""

    resolution: Annotated[int, Range(8, 4096)] = 128  # samples of the density along each side of the bounding cube
    threshold: Positive | Literal["silhouette", "auto"] = (
        "silhouette"  # density of a volume's surface; silhouette: it covers what pictures cover; auto: half the typical
    )
    texture_size: Annotated[int, Range(16, 16_384)] = 512  # side of the texture in texels
    max_faces: Annotated[int, Range(4)] = 30_000  # decimate to at most about this many faces
    tolerance: Fraction = 0.001  # fewer faces while the surface moves no further than this part of the longest side
    smoothing: CountOrNone = 0  # Taubin iterations before decimation
    min_component: Fraction = 0.05  # drop components with less than this fraction of the largest one's area
    join: Fraction = 0.05  # join components across gaps up to this part of the longest side; 0: none


def surface_mesh(subject: Subject, settings: MeshSettings) -> Mesh:
    """The subject's surface, repaired, smoothed and decimated, without colours; what was repaired is logged.

    An explicit mesh keeps all its triangles.

    Raises:
        EmptySurface: there is none.
    """
    mesh = subject.surface(settings.resolution, settings.threshold)
    if subject.extracted:
        mesh = repaired_surface(mesh, settings.min_component, settings.join)
    if mesh.is_empty:
        raise EmptySurface("the surface has no area; no mesh is written")
    mesh = simplify(smooth(mesh, settings.smoothing), settings.max_faces, settings.tolerance)
    if mesh.is_empty:
        raise EmptySurface(f"max_faces={settings.max_faces} leaves no face; no mesh is written; allow more faces")
    return mesh


def repaired_surface(mesh: Mesh, min_component: float, join: float) -> Mesh:
    """An extracted surface after `maquette.meshes.repair.repair`; what it did is logged in one line."""
    repaired = repair(mesh, min_component, join)
    if account := repaired.account():
        _log.info("mesh: %s", account)
    return repaired.mesh


def textured_mesh(subject: Subject, settings: MeshSettings) -> Mesh:
    """The subject's surface with a baked texture of its colours, and of metallic and roughness if it has them.

    An explicit mesh with a texture is given as it is, unless the settings ask for fewer or smoother faces.

    Raises:
        EmptySurface: there is no surface.
    """
    explicit = None if settings.smoothing else subject.textured()
    if explicit is not None and not explicit.is_empty and len(explicit.faces) <= settings.max_faces:
        return explicit
    return _bake_textures(surface_mesh(subject, settings), subject, settings.texture_size)


def _bake_textures(mesh: Mesh, subject: Subject, size: int) -> Mesh:
    unwrapped = bake(unwrap(mesh, size), subject.color, size)

    def metallic_roughness(points: Tensor, normals: Tensor) -> Tensor:
        reflectance = subject.reflectance(points, normals)
        assert reflectance is not None
        return torch.cat([reflectance.metallic, reflectance.roughness], dim=-1)

    first = torch.from_numpy(unwrapped.vertices[:1])
    if subject.reflectance(first, torch.zeros_like(first)) is None:
        return unwrapped
    return replace(unwrapped, metallic_roughness=bake_texels(unwrapped, metallic_roughness, size))


class MeshedSubject:
    """A subject whose textured mesh is made when it is first asked for, and kept for all exporters of a stage.

    Args:
        subject: the finished object.
        settings: of the mesh.
    """

    def __init__(self, subject: Subject, settings: MeshSettings | None = None) -> None:
        self._subject, self.settings = subject, settings or MeshSettings()
        self._mesh: Mesh | EmptySurface | None = None
        self.bound, self.extracted = subject.bound, subject.extracted

    def mesh(self) -> Mesh:
        """The textured mesh.

        Raises:
            EmptySurface: there is none.
        """
        if self._mesh is None:
            try:
                self._mesh = textured_mesh(self._subject, self.settings)
            except EmptySurface as problem:
                self._mesh = problem
        if isinstance(self._mesh, EmptySurface):
            raise self._mesh
        return self._mesh

    def surface(self, resolution: int, threshold: Threshold) -> Mesh:
        return self._subject.surface(resolution, threshold)

    def textured(self) -> Mesh | None:
        return self._subject.textured()

    def color(self, points: Tensor, normals: Tensor) -> Tensor:
        return self._subject.color(points, normals)

    def reflectance(self, points: Tensor, normals: Tensor) -> Reflectance | None:
        return self._subject.reflectance(points, normals)

    def splats(self, min_opacity: float) -> SplatCloud | None:
        return self._subject.splats(min_opacity)

    def render(self, azimuth_deg: Sequence[float], elevation_deg: float, size: int) -> RenderedViews:
        return self._subject.render(azimuth_deg, elevation_deg, size)


def picture_source(subject: Subject, of: Of) -> tuple[Subject | MeshDrawing, str]:
    """What pictures of a subject are drawn from, and its name: "exported mesh", "splats" or "scene".

    Raises:
        EmptySurface: the mesh was asked for, and there is none.
    """
    splats = of == "auto" and subject.splats(0.0) is not None
    if of == "scene" or splats:
        return subject, "splats" if splats else "scene"
    meshed = subject if isinstance(subject, MeshedSubject) else MeshedSubject(subject)
    try:
        return MeshDrawing(meshed.mesh()), "exported mesh"
    except EmptySurface as problem:
        if of == "mesh":
            raise
        _log.warning("pictures show the scene as its renderer draws it, since there is no mesh: %s", problem)
        return subject, "scene"


def note_picture(folder: Path, names: Sequence[str], shows: str) -> None:
    """Write down what files of the folder show, for the report."""
    path = folder / PICTURES_FILE
    try:
        notes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as problem:
        raise RunError(f"{PICTURES_FILE} in the export folder cannot be read ({problem}); remove it") from problem
    write_atomically(path, json.dumps({**notes, **dict.fromkeys(names, shows)}, indent=1) + "\n")
