"""A surface on a tetrahedral grid starts as a sphere, and its corners keep to their cells."""

import math

import pytest
import torch

from maquette.geometry.dmtet import DMTet

SMALL = {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "finest_resolution": 8, "width": 8}


def dmtet(**config) -> DMTet:
    torch.manual_seed(0)
    return DMTet(DMTet.Config(**{**SMALL, "resolution": 16, **config}))


@pytest.mark.parametrize("bound", [1.0, 2.0])
def test_it_starts_as_the_sphere_of_its_radius(bound):
    mesh = dmtet(bound=bound, radius=0.5).mesh()
    away = mesh.vertices.detach().norm(dim=-1)
    assert float((away - 0.5).abs().max()) < 0.02 * bound  # a distance is linear along edges only nearly
    a, b, c = mesh.vertices[mesh.triangles].unbind(1)
    volume = (a * torch.linalg.cross(b, c)).sum().item() / 6
    assert volume == pytest.approx(4 / 3 * math.pi / 8, rel=0.1 * bound)  # positive: it faces outward


def test_corners_move_by_at_most_half_a_cell():
    geometry = dmtet()
    geometry.offsets.data.fill_(100.0)
    moved, still = geometry.mesh().vertices, dmtet().mesh().vertices
    torch.testing.assert_close(moved - still, torch.full_like(still, 2 / 16 / 2), atol=1e-5, rtol=0)


def test_offsets_learn_only_where_corners_may_move():
    for moves in (True, False):
        geometry = dmtet(move_corners=moves)
        geometry.mesh().vertices.square().sum().backward()
        assert geometry.distances.grad.abs().sum() > 0
        assert (
            (geometry.offsets.grad is not None)
            == moves
            == any(p is geometry.offsets for p in geometry.groups()["shape"])
        )


def test_sign_changes_are_cut_edges_in_units_of_cells():
    geometry = dmtet()
    ends = geometry.sign_changes()
    assert ((ends < 0).sum(1) == 1).all() and 0 < float(ends.abs().max()) <= math.sqrt(3)
