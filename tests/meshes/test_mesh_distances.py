"""Signed distances of meshes: exact where they are closed, sensible where they have holes."""

import numpy as np
import pytest
import torch
import trimesh

from maquette.meshes.distances import mesh_to_sdf
from maquette.meshes.mesh import Mesh

N = 25


def grid() -> torch.Tensor:
    axis = torch.linspace(-1, 1, N)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def box_distance(points: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    q = points.abs() - half
    return q.clamp(min=0).norm(dim=-1) + q.amax(-1).clamp(max=0)


def box(extents, **change) -> Mesh:
    body = trimesh.creation.box(extents)
    return Mesh(body.vertices, change.get("faces", lambda faces: faces)(body.faces))


@pytest.mark.parametrize("faces", [lambda f: f, lambda f: f[:, ::-1]], ids=["outward", "inward"])
def test_distances_of_a_box_are_exact(faces):
    axis, found = mesh_to_sdf(box([1.0, 0.8, 1.3], faces=faces), N, 1.0)
    torch.testing.assert_close(axis, torch.linspace(-1, 1, N))
    torch.testing.assert_close(found, box_distance(grid(), torch.tensor([0.5, 0.4, 0.65])), atol=1e-5, rtol=0)


def test_a_hole_is_spanned_and_the_rest_stays_exact():
    axis, found = mesh_to_sdf(box([1.0, 1.0, 1.0], faces=lambda f: np.delete(f, 3, axis=0)), N, 1.0)
    true = box_distance(grid(), torch.full((3,), 0.5))
    assert ((found < 0) != (true < -1e-6)).float().mean() < 0.02
    steps = [found.diff(dim=dimension).abs().max() for dimension in range(3)]
    assert max(steps) < 2.5 * (axis[1] - axis[0])  # no jump, even across the hole
    far = (found - true).abs() < 1e-5
    assert far.float().mean() > 0.85  # the hole is half of one side


def test_pieces_that_overlap_are_one_solid():
    parts = [trimesh.creation.box([0.8, 0.8, 0.8]), trimesh.creation.box([0.4, 0.4, 1.6])]
    body = trimesh.util.concatenate(parts)
    _, found = mesh_to_sdf(Mesh(body.vertices, body.faces), N, 1.0)
    halves = torch.tensor([[0.4, 0.4, 0.4], [0.2, 0.2, 0.8]])
    true = torch.minimum(*(box_distance(grid(), half) for half in halves))
    clear = true.abs() > 1e-4
    assert ((found < 0) == (true < 0))[clear].all()
    torch.testing.assert_close(found[true > 0], true[true > 0], atol=1e-5, rtol=0)


def test_a_mesh_without_faces_is_refused():
    with pytest.raises(ValueError, match="no inside"):
        mesh_to_sdf(Mesh([], []), 8, 1.0)
