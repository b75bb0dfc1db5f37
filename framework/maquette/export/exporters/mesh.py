"""Export of the subject's surface as a textured mesh."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import torch
from torch import Tensor

from maquette.annotations import CountOrNone, Fraction, Positive, Range
from maquette.export.base import Exporter, Subject
from maquette.export.usdz import INSTALL_USD, can_write_usdz, write_usdz
from maquette.export.writers import write_glb, write_obj, write_ply
from maquette.meshes.clean import clean, decimate, smooth
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.texture import bake, bake_texels, color_vertices, unwrap
from maquette.registry import register

Format = Literal["glb", "obj", "ply", "usdz"]


@register("exporter", "mesh")
class MeshExporter(Exporter):
    """A textured mesh `mesh.glb`, `mesh.obj` ...: isosurface, clean-up, decimation, UV atlas, baked texture.

    If the subject has metallic and roughness, `.glb` and `.usdz` have a texture of them too.
    """

    @dataclass(frozen=True)
    class Config:
        resolution: Annotated[int, Range(8, 4096)] = 128  # samples of the density along each side of the bounding cube
        threshold: Positive | Literal["auto"] = "auto"  # density of the surface; auto: half the typical density inside
        texture_size: Annotated[int, Range(16, 16_384)] = 512  # side of the texture in texels
        max_faces: Annotated[int, Range(4)] = 30_000  # decimate to about this many faces
        smoothing: CountOrNone = 0  # Taubin iterations before decimation
        formats: tuple[Format, ...] = ("glb", "obj")  # files to write; ply has vertex colours, usdz needs usd-core
        min_component: Fraction = 0.05  # drop components with less than this fraction of the largest one's area

        def __post_init__(self) -> None:
            if "usdz" in self.formats and not can_write_usdz():
                raise ValueError(f"formats: {INSTALL_USD}")

    def __init__(self, config: Config) -> None:
        self.config = config

    def __call__(self, subject: Subject, folder: Path) -> list[Path]:
        """Extract, clean, texture and write; see `Exporter`."""
        config = self.config
        mesh = subject.surface(config.resolution, config.threshold)
        if subject.extracted:
            mesh = clean(mesh, config.min_component)
        if mesh.is_empty:
            raise EmptySurface("the surface has no area; no mesh is written")
        mesh = decimate(smooth(mesh, config.smoothing), config.max_faces)
        if mesh.is_empty:
            raise EmptySurface(f"max_faces={config.max_faces} leaves no face; no mesh is written; allow more faces")
        written: list[Path] = []
        if {"glb", "obj", "usdz"} & set(config.formats):
            textured = _bake_textures(mesh, subject, config.texture_size)
            written += [write_glb(folder / "mesh.glb", textured)] if "glb" in config.formats else []
            written += write_obj(folder / "mesh.obj", textured) if "obj" in config.formats else []
            written += [write_usdz(folder / "mesh.usdz", textured)] if "usdz" in config.formats else []
        if "ply" in config.formats:
            written.append(write_ply(folder / "mesh.ply", color_vertices(mesh, subject.color)))
        return written


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
