"""Parts of a mesh file as textures or as colours of vertices, and their mean colour."""

import numpy as np
import pytest
from PIL import Image

from maquette.meshes.formats.content import Part
from maquette.meshes.mesh import Mesh
from maquette.meshes.painting import colors_at_vertices, mean_color, plain_part, textured_part, vertex_colors

CORNERS = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
FACES = np.array([[0, 1, 2], [0, 2, 3]])
UV = CORNERS[:, :2]
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def halves() -> Image.Image:
    """Red on the left, blue on the right."""
    return Image.fromarray(np.tile(np.array([RED] * 4 + [BLUE] * 4), (8, 1, 1)).astype(np.uint8) * 255)


def test_painting_of_a_plain_part_is_left_as_it_is():
    part = Part(CORNERS, FACES, picture=halves(), uv=UV)
    assert np.array_equal(plain_part(part).picture, part.picture) and np.array_equal(plain_part(part).uv, UV)
    assert plain_part(Part(CORNERS, FACES)).picture is None


def test_one_tint_for_all_vertices_dims_the_picture_as_light():
    part = Part(CORNERS, FACES, picture=halves(), uv=UV, tint=np.full((4, 3), 0.5))
    plain = plain_part(part)
    assert plain.tint is None
    assert np.asarray(plain.picture)[0, 0].tolist() == [188, 0, 0]  # half the light of 255


def test_a_picture_of_one_colour_with_a_tint_is_colours_of_vertices():
    tint = np.array([RED, RED, BLUE, BLUE])
    plain = plain_part(Part(CORNERS, FACES, picture=Image.new("RGB", (2, 2), "white"), uv=UV, tint=tint))
    assert plain.picture is None and plain.colors == pytest.approx(tint)


def test_a_mirrored_picture_is_repeated_as_one_of_twice_the_size():
    part = Part(CORNERS, FACES, picture=halves(), uv=UV * [2, 1], wrap=("mirror", "clamp"))
    before = colors_at_vertices(part)
    plain = plain_part(part)
    assert colors_at_vertices(plain) == pytest.approx(before) and (plain.uv <= 1 + 1e-6).all()


def test_faces_of_one_colour_each_become_a_palette():
    part = Part(
        np.concatenate([CORNERS, CORNERS]), np.concatenate([FACES, FACES + 4]), np.repeat([RED, BLUE], 4, axis=0)
    )
    painted = textured_part(part)
    seen = colors_at_vertices(Part(painted.vertices, painted.faces, picture=painted.picture, uv=painted.uv))
    assert seen[painted.faces][:2].reshape(-1, 3) == pytest.approx(np.tile(RED, (6, 1)))
    assert seen[painted.faces][2:].reshape(-1, 3) == pytest.approx(np.tile(BLUE, (6, 1)))


def test_a_part_without_colours_has_the_default_at_its_vertices_and_none_of_the_file():
    part = Part(CORNERS, FACES)
    assert len({tuple(color) for color in vertex_colors(part)}) == 1 and colors_at_vertices(part) is None


def test_the_mean_colour_counts_by_area():
    large_and_small = np.concatenate([CORNERS * 3, CORNERS + 10])
    faces = np.concatenate([FACES, FACES + 4])
    colored = Mesh(large_and_small, faces, vertex_colors=np.repeat([RED, BLUE], 4, axis=0))
    assert mean_color(colored) == pytest.approx([0.9, 0, 0.1])
    textured = Mesh(CORNERS, FACES, uv=UV, texture=np.asarray(halves()) / 255)
    assert mean_color(textured) == pytest.approx([0.5, 0, 0.5], abs=0.02)
    assert mean_color(Mesh(CORNERS, FACES)) is None
