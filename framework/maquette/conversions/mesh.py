"""Conversion of every form of geometry to an explicit mesh with colours at vertices, in a texture or as a field."""

from __future__ import annotations

from dataclasses import replace

import torch

from maquette.conversions._appearance import AppearanceTransfer, fit_colors
from maquette.conversions._surfaces import clean_surface, decimate_within
from maquette.conversions.base import converter
from maquette.geometry.mesh import TriangleMesh
from maquette.geometry.paint import FieldPaint, TexturePaint, VertexPaint
from maquette.meshes.texture import bake_texels, query_colors, unwrap
from maquette.randomness import Draws
from maquette.scene import Scene

COLOR_DEVIATION = 0.01  # of colour training points from the surface, std, in units of the cube's half side


@converter("field", TriangleMesh)
@converter("splats", TriangleMesh)
@converter("surface", TriangleMesh)
def to_mesh(source: Scene, target: Scene, draws: Draws) -> None:
    """Give the target the source's surface, cleaned and decimated to `max_faces`, with colours in the target's form.

    The surface of Gaussians is where their density is half of an opaque Gaussian's at its centre.
    """
    geometry: TriangleMesh = target.geometry
    config, transfer = geometry.config, AppearanceTransfer(source, target)
    mesh = decimate_within(clean_surface(source), config.max_faces, source.bound)
    if geometry.colors == "texture":
        mesh = unwrap(mesh, config.texture_size)
        appearance = bake_texels(mesh, transfer.query_source, config.texture_size)
        mesh = replace(mesh, texture=appearance[..., :3])
    elif geometry.colors == "vertex":
        appearance = query_colors(transfer.query_source, mesh.vertices, mesh.vertex_normals())
        mesh = replace(mesh, vertex_colors=appearance[:, :3])
    geometry.replace_mesh(mesh)
    paint = geometry.paint
    if isinstance(paint, FieldPaint):
        deviation = COLOR_DEVIATION * source.bound
        fit_colors(transfer, paint.field.outputs, list(paint.parameters()), mesh, deviation, draws)
    elif isinstance(paint, (TexturePaint, VertexPaint)):
        features = transfer.solve_features(torch.from_numpy(appearance).flatten(0, -2))
        paint.features.data.copy_(features.reshape(paint.features.shape))
