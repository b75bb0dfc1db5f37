"""Health of meshes: whether they are closed, in how many pieces, and how rough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from maquette.meshes.clean import decimate, remove_degenerate
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import count_components, is_watertight, weld, weld_positions

ROUGHNESS_FACES = 5_000  # to which meshes are decimated before their roughness is measured


@dataclass(frozen=True)
class MeshHealth:
    """What a modelling program or a slicer would complain about.

    Args:
        watertight: exactly two faces meet at each edge; faces without area do not count.
        components: pieces that share no position.
        open_edges: edges with one face; equal positions count as one.
        non_manifold_edges: edges with more than two faces; equal positions count as one.
        outward: the enclosed volume is positive, so that normals point outward.
    """

    watertight: bool
    components: int
    open_edges: int
    non_manifold_edges: int
    outward: bool


def mesh_health(mesh: Mesh) -> MeshHealth:
    """Measure a mesh as it is; of an empty one nothing is healthy."""
    faces_at_edge = _faces_at_edges(mesh)
    return MeshHealth(
        is_watertight(mesh),
        count_components(mesh),
        int((faces_at_edge == 1).sum()),
        int((faces_at_edge > 2).sum()),
        mesh.volume > 0,
    )


def mean_dihedral_deg(mesh: Mesh, faces: int = ROUGHNESS_FACES) -> float:
    """Mean angle between the normals of faces that share an edge, in degrees; 0 for a plane.

    Args:
        mesh: with an area.
        faces: to about which the mesh is decimated first, as the angle depends on the size of the faces.

    Example:
        >>> import trimesh
        >>> box = trimesh.creation.box()
        >>> round(mean_dihedral_deg(Mesh(box.vertices, box.faces)))  # 12 edges of 90 degrees, 6 diagonals of 0
        60
    """
    body = decimate(welded(mesh), faces).to_trimesh()
    return float(np.degrees(np.mean(body.face_adjacency_angles))) if len(body.face_adjacency) else 0.0


def roughness(mesh: Mesh, truth: Mesh) -> float:
    """Mean dihedral angle over that of the true mesh at the same number of faces: 1 is as smooth as the truth."""
    faces = min(len(welded(mesh).faces), len(welded(truth).faces), ROUGHNESS_FACES)
    return mean_dihedral_deg(mesh, faces) / max(mean_dihedral_deg(truth, faces), 1e-3)


def welded(mesh: Mesh) -> Mesh:
    """The triangles alone, with one vertex at each position and no face without area."""
    positions, place = weld_positions(mesh.vertices)
    return remove_degenerate(Mesh(positions, place[mesh.faces]))


def _faces_at_edges(mesh: Mesh) -> np.ndarray:
    """Number of faces at each edge [E]; equal positions count as one."""
    faces = weld(mesh.vertices)[mesh.faces]
    faces = faces[(faces != np.roll(faces, 1, axis=1)).all(1)]
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    return np.unique(edges, axis=0, return_counts=True)[1]
