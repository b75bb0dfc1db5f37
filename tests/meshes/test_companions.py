"""Files that a mesh refers to are read from its own folder and from nowhere else."""

import os

import numpy as np
import pytest
from gltf_files import GltfFile
from PIL import Image

from maquette.errors import ConfigError
from maquette.files import allowing
from maquette.meshes.reading import inspect_mesh

UV = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
OBJ = "mtllib {}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl paint\nf 1/1 2/2 3/3\n"


@pytest.fixture
def folders(tmp_path):
    """A folder for the mesh, and beside it one with a picture that is none of its business."""
    mine, other = tmp_path / "mine", tmp_path / "other"
    mine.mkdir()
    other.mkdir()
    for folder, color in ((mine, "green"), (other, "red")):
        Image.new("RGB", (4, 4), color).save(folder / "paint.png")
    return mine, other


def gltf(folder, uri):
    file = GltfFile(TEXCOORD_0=UV)
    file.texture({"uri": uri})
    return inspect_mesh(file.write(folder / "a.gltf"))


def obj(folder, name):
    (folder / "a.mtl").write_text(f"newmtl paint\nmap_Kd {name}\n")
    (folder / "a.obj").write_text(OBJ.format("a.mtl"))
    return inspect_mesh(folder / "a.obj")


@pytest.mark.parametrize("read", [gltf, obj])
@pytest.mark.parametrize("name", ["../other/paint.png", "sub/../../other/paint.png", "..\\other\\paint.png"])
def test_a_step_up_is_refused(folders, read, name):
    with pytest.raises(ConfigError, match="outside its folder"):
        read(folders[0], name)


@pytest.mark.parametrize("read", [gltf, obj])
@pytest.mark.parametrize(
    ("named", "there"),
    [("PAINT.PNG", "paint.png"), ("Textures/Paint.png", "textures/paint.PNG"), ("cafe\u0301.png", "caf\u00e9.png")],
)
def test_a_name_in_other_capitals_or_another_form_of_its_accents_is_found_and_said(tmp_path, read, named, there):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4), "green").save(tmp_path / there)
    loaded = read(tmp_path, named)
    assert np.allclose(loaded.value.texture[0, 0], [0, 128 / 255, 0])
    assert loaded.warnings == (f"it names {named}; {there.rpartition('/')[2]} is taken",)


def test_a_name_that_fits_several_files_by_its_capitals_alone_fits_none(tmp_path):
    for name in ("a.png", "A.png"):
        Image.new("RGB", (4, 4), "green").save(tmp_path / name)
    with pytest.raises(ConfigError, match=r"refers to A\.PNG, which is not beside it"):
        gltf(tmp_path, "A.PNG")


def test_the_query_of_a_uri_is_no_part_of_the_name(tmp_path):
    Image.new("RGB", (4, 4), "green").save(tmp_path / "a.png")
    assert np.allclose(gltf(tmp_path, "a.png?version=2").value.texture[0, 0], [0, 128 / 255, 0])


@pytest.mark.parametrize("read", [gltf, obj])
def test_a_link_that_leads_out_is_refused(folders, read):
    mine, other = folders
    (mine / "link.png").symlink_to(other / "paint.png")
    (mine / "sub").symlink_to(other)
    for name in ("link.png", "sub/paint.png"):
        with pytest.raises(ConfigError, match="outside its folder"):
            read(mine, name)


@pytest.mark.parametrize("read", [gltf, obj])
@pytest.mark.parametrize(
    "form",
    [
        "{}/secret.png",
        "file://{}/secret.png",
        "https://example.org/secret.png",
        r"\\server\share\secret.png",
        "C:/secret.png",
    ],
)
def test_absolute_names_and_urls_are_never_followed(folders, read, form):
    mine, other = folders
    Image.new("RGB", (4, 4), "red").save(other / "secret.png")
    with pytest.raises(ConfigError, match="outside its folder"):
        read(mine, form.format(other))


@pytest.mark.parametrize("read", [gltf, obj])
def test_an_absolute_name_of_another_machine_is_found_by_name_and_said(folders, read):
    loaded = read(folders[0], "/home/someone/work/paint.png")
    assert any("/home/someone/work/paint.png" in warning for warning in loaded.warnings)
    np.testing.assert_allclose(loaded.facts["mean_color"], [0, 128 / 255, 0], atol=0.01)


def test_a_declared_root_is_open(folders):
    mine, other = folders
    (mine / "a.mtl").write_text("newmtl paint\nmap_Kd ../other/paint.png\n")
    (mine / "a.obj").write_text(OBJ.format("a.mtl"))
    with allowing([other]):
        assert inspect_mesh(mine / "a.obj").facts["mean_color"] == [1, 0, 0]


@pytest.mark.parametrize("uri", ["my%20four%231.png", "my four#1.png", "sub/deep%20er/four.png", "sub\\four.png"])
def test_uris_with_and_without_percent_signs(folders, uri):
    mine, _ = folders
    for name in ("my four#1.png", "sub/deep er/four.png", "sub/four.png"):
        (mine / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), "blue").save(mine / name)
    assert gltf(mine, uri).facts["mean_color"] == [0, 0, 1]


def test_buffers_beside_the_file(tmp_path):
    file = GltfFile()
    (tmp_path / "my mesh.bin").write_bytes(file.data)
    file.tree["buffers"] = [{"byteLength": len(file.data), "uri": "my%20mesh.bin"}]
    assert len(inspect_mesh(file.write(tmp_path / "a.gltf")).value.faces) == 2
    file.tree["buffers"][0]["uri"] = "../../../etc/hostname"
    with pytest.raises(ConfigError, match="outside its folder"):
        inspect_mesh(file.write(tmp_path / "a.gltf"))


def test_materials_outside_are_refused_and_pipes_are_not_opened(folders):
    mine, other = folders
    (other / "a.mtl").write_text("newmtl paint\n")
    (mine / "a.obj").write_text(OBJ.format("../other/a.mtl"))
    with pytest.raises(ConfigError, match="outside its folder"):
        inspect_mesh(mine / "a.obj")
    os.mkfifo(mine / "pipe.png")
    with pytest.raises(ConfigError, match="not beside it"):
        obj(mine, "pipe.png")


def test_a_picture_bomb_is_refused(folders):
    mine, _ = folders
    Image.new("1", (20000, 20000)).save(mine / "bomb.png")
    with pytest.raises(ConfigError, match=r"bomb\.png is too large.*400000000 pixels"):
        obj(mine, "bomb.png")
