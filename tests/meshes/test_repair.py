import numpy as np
import pytest
import torch

from maquette.meshes.isosurface import extract_surface
from maquette.meshes.mesh import Mesh
from maquette.meshes.repair import join_pieces, repair
from maquette.meshes.topology import count_components, is_watertight


def balls(*centres_and_radii):
    def density(points):
        inside = [(points - torch.tensor(c)).norm(dim=-1) < r for c, r in centres_and_radii]
        return 50.0 * torch.stack(inside).any(0)

    return extract_surface(density, 1.0, 48)


NEAR = balls(((-0.45, 0.0, 0.0), 0.4), ((0.4, 0.0, 0.0), 0.4))  # 0.05 apart
FAR = balls(((-0.6, 0.0, 0.0), 0.3), ((0.6, 0.0, 0.0), 0.3))  # 0.6 apart


def test_near_pieces_become_one_closed_body_of_the_same_volume():
    whole, count = join_pieces(NEAR, 0.05)
    assert (count_components(NEAR), count_components(whole), count) == (2, 1, 1)
    assert is_watertight(whole) and whole.to_trimesh().is_winding_consistent
    assert whole.volume == pytest.approx(NEAR.volume, rel=0.01)


def test_pieces_farther_apart_than_the_gap_stay_as_they_are():
    assert join_pieces(FAR, 0.05) == (FAR, 0)
    assert join_pieces(NEAR, 0.0) == (NEAR, 0)


def test_a_chain_of_pieces_is_joined_from_one_to_the_next():
    chain = balls(*(((x, 0.0, 0.0), 0.18) for x in (-0.8, -0.4, 0.0, 0.4, 0.8)))
    whole, count = join_pieces(chain, 0.05)
    assert count == 4 and count_components(whole) == 1 and is_watertight(whole)


def test_crumbs_are_left_out_and_counted():
    crumbs = balls(((0.0, 0.0, 0.0), 0.5), ((0.85, 0.8, 0.0), 0.06), ((-0.85, 0.8, 0.0), 0.06))
    repaired = repair(crumbs)
    assert (repaired.left_out, repaired.tubes, repaired.apart) == (2, 0, 0)
    assert repaired.left_out_area == pytest.approx(2 * 0.06**2 / (0.5**2 + 2 * 0.06**2), abs=0.005)
    assert count_components(repaired.mesh) == 1
    assert repaired.account() == f"2 crumbs of {100 * repaired.left_out_area:.2g} % of the area left out"


def test_a_hole_is_closed_and_a_cavity_filled():
    hollow = extract_surface(lambda p: 50.0 * ((p.norm(dim=-1) < 0.7) & (p.norm(dim=-1) > 0.5)), 1.0, 48)
    outside = np.linalg.norm(hollow.vertices[hollow.faces].mean(1), axis=1) > 0.6
    top = hollow.vertices[hollow.faces].mean(1)[:, 2] > 0.68
    repaired = repair(Mesh(hollow.vertices, hollow.faces[~(outside & top)]))
    assert repaired.closed == 1 and is_watertight(repaired.mesh)
    assert repaired.mesh.volume == pytest.approx(4 / 3 * np.pi * 0.7**3, rel=0.03)
    assert repaired.account() == "1 hole closed"


def test_what_stays_apart_is_named_with_the_setting_that_joins_it():
    assert "1 piece stays apart: the gap is wider than join" in repair(FAR).account()
    assert repair(FAR, join=0.4).apart == 0


def test_a_mesh_without_faces_stays_empty():
    repaired = repair(Mesh([], []))
    assert repaired.mesh.is_empty and repaired.account() == ""
