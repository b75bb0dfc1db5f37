"""What all formats of meshes have in common: colours in [0, 1], and faces that have their own."""

import numpy as np

from maquette.meshes.formats.content import Part, finite_colors, split_corners, unit_colors
from maquette.meshes.formats.source import Source


def test_colours_of_bytes_and_of_fractions_are_told_apart_by_the_largest():
    assert unit_colors(np.array([[255, 0, 51]])).tolist() == [[1.0, 0.0, 0.2]]
    assert unit_colors(np.array([[1.0, 0.5, 0.0]])).tolist() == [[1.0, 0.5, 0.0]]
    assert unit_colors(np.zeros((0, 3))).shape == (0, 3)


def test_colours_that_are_no_numbers_become_black_and_are_said(tmp_path):
    source = Source(tmp_path / "a.ply", "path")
    values = finite_colors(np.array([[np.nan, 0.5, np.inf], [-0.1, 0.0, 1.0]]), source)
    assert values.tolist() == [[0.0, 0.5, 0.0], [-0.1, 0.0, 1.0]]
    assert source.warnings == [
        "2 numbers of its colours are not finite and become 0", "some of its colours are negative and become 0",
    ]  # fmt: skip


def test_faces_with_colours_get_corners_of_their_own():
    part = Part(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]), np.array([[0, 1, 2], [1, 3, 2]]))
    split = split_corners(part, np.array([[1.0, 0, 0], [0, 0, 1.0]]))
    assert split.faces.tolist() == [[0, 1, 2], [3, 4, 5]] and split.colors[3].tolist() == [0, 0, 1]
    assert np.array_equal(split.vertices[split.faces], part.vertices[part.faces])
