"""Winding numbers from a tree are the sums over all triangles."""

import numpy as np
import pytest
import trimesh

from maquette.meshes.tree import TriangleTree
from maquette.meshes.winding import winding_numbers


def plain_sum(body: trimesh.Trimesh, points: np.ndarray) -> np.ndarray:
    """Solid angles of spherical triangles by l'Huilier's theorem, with the sign of the side they are seen from."""
    a, b, c = (body.triangles[None, :, k] - points[:, None] for k in range(3))
    sign = np.sign(np.einsum("nfd,nfd->nf", a, np.cross(b, c)))
    a, b, c = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b, c))
    sides = [np.arccos(np.einsum("nfd,nfd->nf", *pair).clip(-1, 1)) for pair in ((a, b), (b, c), (c, a))]
    half = sum(sides) / 2
    product = np.tan(half / 2) * np.prod([np.tan((half - side) / 2) for side in sides], axis=0)
    return (sign * 4 * np.arctan(np.sqrt(product.clip(0)))).sum(1) / (4 * np.pi)


@pytest.mark.parametrize("keep", [1.0, 0.6], ids=["closed", "with a hole"])
def test_they_agree_with_the_sum_over_all_triangles(keep):
    body = trimesh.creation.icosphere(3)
    body = trimesh.Trimesh(body.vertices, body.faces[: int(keep * len(body.faces))], process=False)
    points = np.random.default_rng(0).uniform(-1.5, 1.5, (400, 3))
    found = winding_numbers(TriangleTree(body.vertices, body.faces), points)
    np.testing.assert_allclose(found, plain_sum(body, points), atol=5e-3)


def test_they_count_how_often_a_point_is_enclosed():
    shells = [trimesh.creation.icosphere(2, radius) for radius in (1.0, 0.6)]
    cavity = trimesh.creation.icosphere(2, 0.2)
    cavity.invert()
    body = trimesh.util.concatenate([*shells, cavity])
    points = np.array([[2.0, 0, 0], [0.8, 0, 0], [0.4, 0, 0], [0, 0, 0]])
    found = winding_numbers(TriangleTree(body.vertices, body.faces), points)
    np.testing.assert_allclose(found, [0, 1, 2, 1], atol=5e-3)
