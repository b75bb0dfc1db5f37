"""Anything becomes an explicit mesh: its surface, and its colours on the vertices, in a texture, or as a field."""

from __future__ import annotations

from dataclasses import replace

import torch

from maquette.conversions._looks import Look, fit_colours
from maquette.conversions._solids import decimated, solid
from maquette.conversions.base import converter
from maquette.geometry.mesh import TriangleMesh
from maquette.geometry.paint import FieldPaint, TexturePaint, VertexPaint
from maquette.meshes.texture import bake_texels, query_colors, unwrap
from maquette.randomness import Draws
from maquette.scene import Scene

REACH = 0.01  # of the points at which a field of colours is fitted, off the surface, in units of the cube's half side


@converter("field", TriangleMesh)
@converter("splats", TriangleMesh)
@converter("surface", TriangleMesh)
def to_mesh(source: Scene, target: Scene, draws: Draws) -> None:
    """The surface, cleaned and decimated to the target's `max_faces`, with the source's colours in the target's form.

    Gaussians have the surface where their density is half of an opaque one's.
    """
    geometry: TriangleMesh = target.geometry
    config, look = geometry.config, Look(source, target)
    mesh = decimated(solid(source), config.max_faces, source.bound)
    if geometry.colors == "texture":
        mesh = unwrap(mesh, config.texture_size)
        wanted = bake_texels(mesh, look.wanted, config.texture_size)
        mesh = replace(mesh, texture=wanted[..., :3])
    elif geometry.colors == "vertex":
        wanted = query_colors(look.wanted, mesh.vertices, mesh.vertex_normals())
        mesh = replace(mesh, vertex_colors=wanted[:, :3])
    geometry.take(mesh)
    paint = geometry.paint
    if isinstance(paint, FieldPaint):
        reach = REACH * source.bound
        fit_colours(look, paint.field.outputs, list(paint.parameters()), mesh, reach, draws)
    elif isinstance(paint, (TexturePaint, VertexPaint)):
        features = look.features(torch.from_numpy(wanted).flatten(0, -2))
        paint.features.data.copy_(features.reshape(paint.features.shape))
