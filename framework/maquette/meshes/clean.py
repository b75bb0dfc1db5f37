"""Clean-up of extracted meshes: degenerate faces, small components, cavities, decimation, smoothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from maquette.meshes.holes import mend
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import is_watertight

FEWEST_FACES = 500  # below which the number of faces is no longer halved
CANDIDATES = 8  # faces near a vertex among which the closest is looked for


def select_faces(mesh: Mesh, keep: np.ndarray) -> Mesh:
    """Select the faces where `keep` [F] is true, with their vertices and the vertices' attributes."""
    faces = mesh.faces[keep]
    used = np.zeros(len(mesh.vertices), bool)
    used[faces] = True
    renumbered = np.cumsum(used) - 1

    def pick(array: np.ndarray | None) -> np.ndarray | None:
        return None if array is None else array[used]

    return replace(
        mesh, vertices=mesh.vertices[used], faces=renumbered[faces], vertex_colors=pick(mesh.vertex_colors),
        uv=pick(mesh.uv), normals=pick(mesh.normals),
    )  # fmt: skip


def remove_degenerate(mesh: Mesh) -> Mesh:
    """Remove faces without area, duplicate faces, and unused vertices.

    Vertices at equal positions count as one when faces are compared, but are not merged, to preserve seams.
    """
    _, place = np.unique(mesh.vertices, axis=0, return_inverse=True)
    corners = np.sort(place.reshape(-1)[mesh.faces], axis=1)
    distinct = (corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])
    first = np.zeros(len(corners), bool)
    first[np.unique(corners, axis=0, return_index=True)[1]] = True
    extent = float(np.ptp(mesh.bounds, axis=0).max())
    return select_faces(mesh, distinct & first & (mesh.face_areas > 1e-12 * extent**2))


def keep_components(mesh: Mesh, min_fraction: float) -> Mesh:
    """Remove connected components with an area below `min_fraction` of the largest one's.

    Args:
        mesh: any mesh.
        min_fraction: in [0, 1]; 0 keeps everything, 1 the largest component alone.
    """
    if mesh.is_empty or min_fraction <= 0:
        return mesh
    label, count = face_components(mesh)
    sizes = np.bincount(label, mesh.face_areas, count)
    keep = sizes >= min(min_fraction, 1.0) * sizes.max() * (1 - 1e-9)
    return select_faces(mesh, keep[label])


def fill_cavities(mesh: Mesh) -> Mesh:
    """Remove closed components that are wound inward: walls of inner cavities, invisible from outside."""
    if mesh.is_empty:
        return mesh
    label, count = face_components(mesh)
    solid = np.bincount(label, mesh.face_volumes, count) > 0
    return select_faces(mesh, solid[label]) if solid.any() else mesh


def decimate(mesh: Mesh, max_faces: int) -> Mesh:
    """Decimate to about `max_faces` faces by quadric edge collapse (fast-simplification); attributes are dropped."""
    if len(mesh.faces) <= max_faces:
        return mesh
    import fast_simplification

    vertices, faces = fast_simplification.simplify(
        mesh.vertices.astype(np.float64), mesh.faces.astype(np.int32), target_count=max_faces
    )
    return remove_degenerate(Mesh(vertices, faces))


def simplify(mesh: Mesh, max_faces: int, tolerance: float) -> Mesh:
    """Decimate to as few faces as the shape needs; attributes are dropped.

    The number of faces is halved while the original vertices lie within `tolerance` of the new faces, apart from one in
    a hundred, and while a closed mesh stays closed; it is mended where decimation opens it.

    Args:
        mesh: any mesh.
        max_faces: at most about this many faces, whatever the deviation.
        tolerance: distance in units of the longest side of the mesh's box; 0: only `max_faces` counts. A thousandth is
            half a pixel where the object fills a picture of 500 pixels.
    """
    whole = is_watertight(mesh)
    best = _decimated(mesh, max_faces, whole)
    if tolerance <= 0 or best.is_empty:
        return best
    closed = whole and is_watertight(best)
    limit = tolerance * float(np.ptp(mesh.bounds, axis=0).max())
    while len(best.faces) >= 2 * FEWEST_FACES:
        fewer = _decimated(best, len(best.faces) // 2, closed)
        if fewer.is_empty or (closed and not is_watertight(fewer)) or _deviation(mesh, fewer) > limit:
            return best
        best = fewer
    return best


def _decimated(mesh: Mesh, max_faces: int, closed: bool) -> Mesh:
    fewer = decimate(mesh, max_faces)
    return mend(fewer) if closed and fewer is not mesh else fewer


def _deviation(mesh: Mesh, fewer: Mesh) -> float:
    """Distance within which 99 % of the vertices of `mesh` lie from the planes of their closest faces of `fewer`."""
    import trimesh

    corners = fewer.vertices[fewer.faces].astype(np.float64)
    candidates = min(CANDIDATES, len(corners))
    _, near = cKDTree(corners.mean(1)).query(mesh.vertices, candidates)
    points = np.repeat(mesh.vertices.astype(np.float64), candidates, axis=0)
    closest = trimesh.triangles.closest_point(corners[near.reshape(-1)], points)
    distance = np.linalg.norm(closest - points, axis=1).reshape(-1, candidates)
    face = near.reshape(-1, candidates)[np.arange(len(distance)), distance.argmin(1)]
    a, b, c = corners[face].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return float(np.quantile(np.abs(((mesh.vertices - a) * normal).sum(1)), 0.99))


def smooth(mesh: Mesh, iterations: int) -> Mesh:
    """Taubin smoothing, which preserves the volume unlike Laplacian smoothing; attributes are dropped.

    Args:
        mesh: any mesh.
        iterations: pairs of a shrinking and an inflating pass; 0 returns the mesh as it is.

    Source: Taubin 1995, "A signal processing approach to fair surface design"; factors as recommended there.
    """
    if iterations <= 0 or mesh.is_empty:
        return mesh
    from trimesh.smoothing import filter_taubin

    smoothed = filter_taubin(Mesh(mesh.vertices, mesh.faces).to_trimesh(), lamb=0.5, nu=0.53, iterations=2 * iterations)
    return Mesh(smoothed.vertices, mesh.faces)


def clean(mesh: Mesh, min_component: float = 0.05) -> Mesh:
    """Remove degenerate faces, cavities and small components, in this order.

    Args:
        mesh: a closed surface, wound outward.
        min_component: smallest component to keep, as a fraction of the largest one's area.
    """
    return keep_components(fill_cavities(remove_degenerate(mesh)), min_component)


def face_components(mesh: Mesh) -> tuple[np.ndarray, int]:
    """Number of the piece of each face [F], and how many pieces there are; pieces share no vertex."""
    a, b, c = mesh.faces.T
    rows, columns = np.concatenate([a, b]), np.concatenate([b, c])
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(mesh.vertices),) * 2)
    _, of_vertex = connected_components(graph, directed=False)
    components, label = np.unique(of_vertex[a], return_inverse=True)
    return label.reshape(-1), len(components)
