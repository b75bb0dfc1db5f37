"""A mesh file's axes and size become the world's."""

import re

import numpy as np
import pytest

from maquette.meshes.placement import Placement

BOX = np.array([[x, y, z] for x in (0.0, 1.0) for y in (2.0, 6.0) for z in (-3.0, -1.0)])
"""Corners of a box with sides 1, 4 and 2."""


@pytest.mark.parametrize("extension", ["glb", "gltf"])
def test_gltf_looks_along_z_with_y_up(extension):
    forward, upward = np.array([0.0, 0, 1]), np.array([0.0, 1, 0])
    axes = Placement().axes(extension)
    assert (axes @ forward).tolist() == [1, 0, 0] and (axes @ upward).tolist() == [0, 0, 1]


@pytest.mark.parametrize("up", ["y", "z"])
@pytest.mark.parametrize("front", ["+x", "-x", "+y", "-y", "+z", "-z"])
def test_axes_are_a_rotation_whatever_is_asked_for(up, front):
    if front[-1] == up:
        with pytest.raises(ValueError, match=f"the front cannot look along {re.escape(front)}: {up} is up"):
            Placement(up=up, front=front)
        return
    axes = Placement(up=up, front=front).axes("obj")
    assert np.array_equal(axes @ axes.T, np.eye(3)) and np.linalg.det(axes) == pytest.approx(1)


def test_other_formats_have_the_worlds_axes():
    assert np.array_equal(Placement().axes("obj"), np.eye(3))


def test_extent_centres_the_box_and_gives_its_longest_side_the_size():
    placed = Placement(size=2.0).place_vertices(BOX, "obj")
    assert placed.min(0) == pytest.approx([-0.25, -1, -0.5]) and placed.max(0) == pytest.approx([0.25, 1, 0.5])


def test_radius_puts_the_farthest_vertex_at_the_size():
    placed = Placement(fit="radius", size=0.5).place_vertices(BOX, "obj")
    assert np.linalg.norm(placed, axis=1) == pytest.approx(np.full(8, 0.5))


def test_none_keeps_position_and_scale():
    assert np.array_equal(Placement(fit="none").place_vertices(BOX, "obj"), BOX)


def test_what_has_no_extent_or_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="lie at one point"):
        Placement().place_vertices(np.ones((3, 3)), "obj")
    with pytest.raises(ValueError, match="1 of its vertices are not finite"):
        Placement().place_vertices(np.array([[0, 0, 0], [np.nan, 0, np.inf]]), "obj")
    with pytest.raises(ValueError, match="size is positive, not -1"):
        Placement(size=-1.0)
