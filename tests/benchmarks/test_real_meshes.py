"""Real mesh files are read as other readers read them."""

from __future__ import annotations

import pytest
import trimesh
from real_meshes import by_trimesh, differences, ours

from project import ASSETS

FOLDER = ASSETS / "meshes"


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the real files are not beside this checkout")
@pytest.mark.parametrize("name", ["Duck.glb", "fuze.obj", "stanford-bunny.obj", "suzanne.obj"])
def test_faces_bounds_and_colour_are_those_of_trimesh(name):
    assert not [line for line in differences(ours(FOLDER / name), by_trimesh(FOLDER / name)) if "colour" not in line]


def test_a_difference_is_told(tmp_path):
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "box.ply")
    trimesh.creation.box((1, 2, 4)).export(tmp_path / "other.ply")
    mine = ours(tmp_path / "box.ply")
    assert not list(differences(mine, by_trimesh(tmp_path / "box.ply")))
    assert "bounds" in next(differences(mine, by_trimesh(tmp_path / "other.ply")))
    assert "only one reads it" in next(differences({"refused": "no"}, by_trimesh(tmp_path / "box.ply")))
