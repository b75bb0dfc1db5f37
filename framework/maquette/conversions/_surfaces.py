"""The surface mesh of a scene as conversions use it: extracted, cleaned, decimated."""

from __future__ import annotations

from dataclasses import replace

from maquette.meshes.clean import clean, decimate
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.scene import Scene

SURFACE_RESOLUTION = 128  # samples of a field along each side of the cube, for its surface
MIN_COMPONENT = 0.05  # fraction of the largest component's area; smaller components are dropped


def clean_surface(source: Scene) -> Mesh:
    """The surface of a scene without small floating parts and inner cavities; an explicit mesh stays unchanged.

    Raises:
        EmptySurface: there is none.
    """
    mesh = source.surface(SURFACE_RESOLUTION)
    return _filled(clean(mesh, MIN_COMPONENT) if source.extracted else mesh, "its surface has no area")


def decimate_within(mesh: Mesh, max_faces: int, bound: float) -> Mesh:
    """A mesh with at most about `max_faces` faces; vertices are clipped to the cube of half side `bound`."""
    decimated = _filled(decimate(mesh, max_faces), f"max_faces={max_faces} leaves no face")
    return replace(decimated, vertices=decimated.vertices.clip(-bound, bound))


def _filled(mesh: Mesh, problem: str) -> Mesh:
    if mesh.is_empty:
        raise EmptySurface(problem)
    return mesh
