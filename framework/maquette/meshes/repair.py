"""Repair of extracted surfaces: holes closed, near pieces joined, crumbs left out, and an account of it in one line."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from maquette.meshes.clean import face_components, fill_cavities, keep_components, remove_degenerate
from maquette.meshes.holes import close_holes
from maquette.meshes.mesh import Mesh
from maquette.meshes.topology import count_components, weld_positions

MOST_JOINED = 32  # pieces; of more, the smaller ones stay apart


@dataclass(frozen=True)
class Repaired:
    """A repaired mesh and what was done to it.

    Args:
        mesh: the triangles, with one vertex at each position, and without attributes.
        closed: holes that were closed.
        tubes: pieces that were joined to the largest one, by a tube each.
        left_out: small pieces that were removed.
        left_out_area: their part of the whole area, in [0, 1].
        apart: pieces beside the largest one that are left.
    """

    mesh: Mesh
    closed: int = 0
    tubes: int = 0
    left_out: int = 0
    left_out_area: float = 0.0
    apart: int = 0

    def account(self) -> str:
        """What was done, in one line; empty if nothing was, and the mesh is of one piece."""
        parts = [
            f"{_count(self.closed, 'hole')} closed" if self.closed else "",
            f"{_count(self.tubes, 'piece')} joined" if self.tubes else "",
            f"{_count(self.left_out, 'crumb')} of {100 * self.left_out_area:.2g} % of the area left out"
            if self.left_out else "",
            f"{_count(self.apart, 'piece')} stay{'s' if self.apart == 1 else ''} apart: the gap is wider than join"
            if self.apart else "",
        ]  # fmt: skip
        return ", ".join(part for part in parts if part)


def repair(mesh: Mesh, min_component: float = 0.05, join: float = 0.05) -> Repaired:
    """A closed surface without crumbs and inner walls, whose near pieces are joined.

    Args:
        mesh: an extracted surface, wound outward; attributes are dropped.
        min_component: smallest piece to keep, as a fraction of the largest one's area, in [0, 1].
        join: widest gap across which pieces are joined, in units of the longest side of the mesh's box; 0: none are.
    """
    positions, place = weld_positions(mesh.vertices)
    mesh, closed = close_holes(remove_degenerate(Mesh(positions, place[mesh.faces])))
    solid = fill_cavities(mesh)
    remaining = keep_components(solid, min_component)
    area = float(solid.face_areas.sum())
    left_out = count_components(solid) - count_components(remaining)
    whole, tubes = join_pieces(remaining, join)
    return Repaired(
        whole, closed, tubes, left_out, 1 - float(remaining.face_areas.sum()) / area if area else 0.0,
        max(count_components(whole) - 1, 0),
    )  # fmt: skip


def join_pieces(mesh: Mesh, gap: float) -> tuple[Mesh, int]:
    """Join pieces to the largest one, nearest first, each by a tube between the two closest faces.

    The two faces are removed and six take their place, so that a closed mesh stays closed.

    Args:
        mesh: with one vertex at each position; attributes are dropped where pieces are joined.
        gap: widest distance between the faces' middles, in units of the longest side of the mesh's box.

    Returns:
        The mesh, and the number of pieces that were joined.
    """
    if mesh.is_empty or gap <= 0:
        return mesh, 0
    reach = gap * float(np.ptp(mesh.bounds, axis=0).max())
    faces, tubes = mesh.faces, 0
    label, count = face_components(mesh)
    body = np.bincount(label, mesh.face_areas, count).argmax()
    while tubes < min(count - 1, MOST_JOINED):
        middles = mesh.vertices[faces].mean(1)
        own, others = np.flatnonzero(label == body), np.flatnonzero(label != body)
        distance, nearest = cKDTree(middles[own]).query(middles[others], distance_upper_bound=reach)
        if not np.isfinite(distance).any():
            break
        closest = distance.argmin()
        one, other = own[nearest[closest]], others[closest]
        tube = _tube(mesh.vertices, faces[one], faces[other])
        label = np.where(label == label[other], body, label)
        rest = np.delete(np.arange(len(faces)), [one, other])
        faces = np.concatenate([faces[rest], tube])
        label = np.concatenate([label[rest], np.full(len(tube), body)])
        tubes += 1
    return (Mesh(mesh.vertices, faces), tubes) if tubes else (mesh, 0)


def _tube(vertices: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Six faces between the borders of two faces that are removed, turned so that the tube is not twisted."""
    turns = [np.roll(other[::-1], turn) for turn in range(3)]
    lengths = [np.linalg.norm(vertices[one] - vertices[turn], axis=1).sum() for turn in turns]
    other = turns[int(np.argmin(lengths))]
    next_one, next_other = np.roll(one, -1), np.roll(other, -1)
    return np.concatenate([np.stack([one, next_one, next_other], 1), np.stack([one, next_other, other], 1)])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
