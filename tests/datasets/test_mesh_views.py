"""What keys the cache of renderings, and which files are meshes."""

import pytest
import torch

from maquette.datasets._mesh_views import ViewSettings, content_key, find_meshes, mesh_cameras
from maquette.randomness import Draws

SETTINGS = ViewSettings(6, 16, 49.1, (1.5, 2.2), (-90.0, 90.0), 1.0, 0.6, (0.3, 0.6), "auto", "auto")


def test_meshes_are_found_in_subfolders_and_hidden_files_are_not(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("b.OBJ", "a.glb", "deep/er/c.ply", ".hidden.glb", "picture.png", "deep/a.mtl"):
        (tmp_path / name).touch()
    (tmp_path / "folder.glb").mkdir()
    assert [str(path.relative_to(tmp_path)) for path in find_meshes(tmp_path)] == ["a.glb", "b.OBJ", "deep/er/c.ply"]


@pytest.mark.parametrize(("name", "changes"), [("a.obj", True), ("a.glb", False)])
def test_a_picture_beside_a_mesh_is_part_of_its_key_where_the_format_refers_to_files(tmp_path, name, changes):
    (tmp_path / name).write_text("mesh")
    (tmp_path / "other.glb").write_text("another mesh is not")
    before = content_key(tmp_path / name)
    (tmp_path / "wood.png").write_text("a texture")
    assert (content_key(tmp_path / name) != before) == changes


def test_a_picture_in_a_folder_below_is_part_of_the_key_unless_another_mesh_is_there_too(tmp_path):
    (tmp_path / "a.obj").write_text("mesh")
    for folder in ("textures", "other"):
        (tmp_path / folder).mkdir()
    (tmp_path / "other" / "b.obj").write_text("another mesh")
    before = content_key(tmp_path / "a.obj")
    (tmp_path / "other" / "wood.png").write_text("a texture of the other mesh")
    assert content_key(tmp_path / "a.obj") == before
    (tmp_path / "textures" / "wood.png").write_text("a texture")
    assert content_key(tmp_path / "a.obj") != before


def test_views_are_uniform_over_the_sphere_and_share_one_light_above():
    many = mesh_cameras(ViewSettings(**{**SETTINGS.__dict__, "views": 4000}), Draws(0, 0))
    heights = torch.deg2rad(many.elevation_deg).sin()
    assert abs(float(heights.mean())) < 0.03 and abs(float(heights.var()) - 1 / 3) < 0.02
    assert torch.equal(many.light, many.light[:1].expand(4000, 3)) and many.light[0, 2] > 0
