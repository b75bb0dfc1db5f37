import dataclasses

import numpy as np
import pytest
import torch
import trimesh
from analytic import distance
from PIL import Image

from maquette import registry
from maquette.config.parts import PartSpec
from maquette.errors import RunError
from maquette.geometry.splat_cloud import SplatCloud
from maquette.materials.base import Reflectance
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.stages.base import Artifacts, StageContext
from maquette.stages.export import Export
from maquette.training.run_folder import RunFolder


def export(name, subject, folder, **config):
    exporter = registry.get("exporter", name)
    return exporter(exporter.Config(**config))(subject, folder)


def test_all_exporters_are_found_and_say_what_they_do():
    assert {"mesh", "points", "turntable", "contact-sheet"} <= set(registry.names("exporter"))
    assert "textured mesh" in registry.summary("exporter", "mesh").lower()


def test_mesh_exporter_writes_textured_files_near_the_surface(subject, tmp_path):
    config = {"resolution": 48, "texture_size": 128, "max_faces": 3000, "formats": ("glb", "obj", "ply")}
    written = export("mesh", subject, tmp_path / "export", **config)
    assert [path.name for path in written] == ["mesh.glb", "mesh.obj", "mesh.mtl", "mesh.png", "mesh.ply"]
    body = trimesh.load(tmp_path / "export" / "mesh.glb", force="mesh")
    world = torch.tensor(body.vertices[:, [2, 0, 1]].copy(), dtype=torch.float32)
    assert distance(world).abs().quantile(0.95) < 0.02
    assert body.visual.material.baseColorTexture.size == (128, 128)


def test_a_material_with_metal_and_roughness_is_baked(subject, tmp_path):
    class Shiny(type(subject)):
        def reflectance(self, points, normals):
            ramp = (points[:, :1] + 1) / 2
            return Reflectance(self.color(points, normals), ramp, 0.5 * ramp)

    config = {"resolution": 48, "texture_size": 128, "max_faces": 3000}
    glb, _, mtl, _ = export("mesh", Shiny(), tmp_path, **config)
    body = trimesh.load(glb, force="mesh")
    picture = np.asarray(body.visual.material.metallicRoughnessTexture.convert("RGB")) / 255
    row, column = (1 - body.visual.uv[:, 1]) * 128, body.visual.uv[:, 0] * 128
    found = picture[row.astype(int).clip(0, 127), column.astype(int).clip(0, 127)]
    along = (body.vertices[:, 2] + 1) / 2  # the world's x is glTF's z
    assert np.abs(found[:, 2] - along).mean() < 0.02
    assert np.abs(found[:, 1] - along / 2).mean() < 0.02
    assert "map_Kd mesh.png" in mtl.read_text() and len(list(tmp_path.glob("*.png"))) == 1  # base colour alone


def test_small_and_open_parts_of_a_given_mesh_are_kept(subject, tmp_path):
    class Given(type(subject)):
        extracted = False

        def surface(self, resolution, threshold):
            ball = trimesh.creation.icosphere(3, 0.6)
            triangle = np.array([[0.1, 0, -0.9], [0, 0.1, -0.9], [0, 0, -0.9]])
            return Mesh(np.concatenate([ball.vertices, triangle]), np.concatenate([ball.faces, [[642, 643, 644]]]))

    export("mesh", Given(), tmp_path, texture_size=64, formats=("ply",))
    assert trimesh.load(tmp_path / "mesh.ply").bounds[0, 2] == pytest.approx(-0.9)


def test_points_lie_on_the_surface_with_its_colours(subject, tmp_path):
    (path,) = export("points", subject, tmp_path, count=2000, resolution=64)
    cloud = trimesh.load(path)
    points = torch.tensor(np.asarray(cloud.vertices), dtype=torch.float32)
    assert len(points) == 2000
    assert distance(points).abs().quantile(0.95) < 0.02
    up = torch.tensor([0.0, 0.0, 1.0]).expand_as(points)
    near = subject.color(points, up).numpy() - cloud.colors[:, :3] / 255
    assert np.abs(near).max() < 0.25  # the colour's share that depends on the normal


def test_points_are_the_same_again(subject, tmp_path):
    first, again = (export("points", subject, tmp_path / name, count=50, resolution=24)[0] for name in "ab")
    assert first.read_bytes() == again.read_bytes()


def test_turntable_turns_once(subject, tmp_path):
    mp4, gif = export("turntable", subject, tmp_path, frames=9, size=32)
    assert mp4.stat().st_size > 500
    with Image.open(gif) as film:
        assert film.n_frames == 9
        assert film.size == (32, 32)


def test_contact_sheet_has_a_row_per_kind(subject, tmp_path):
    (path,) = export("contact-sheet", subject, tmp_path, size=48, rows=("rgb", "normal", "depth", "opacity"))
    with Image.open(path) as sheet:
        assert sheet.height > 4 * 48
        assert sheet.width > 4 * 48


def test_a_contact_sheet_of_what_is_not_there_is_a_message_and_no_crash(subject, tmp_path, monkeypatch):
    render = type(subject).render
    without = lambda self, *words: dataclasses.replace(render(self, *words), normal=None)  # noqa: E731
    monkeypatch.setattr(type(subject), "render", without)
    with pytest.raises(RunError, match="rows: normal: what is shown has none of them"):
        export("contact-sheet", subject, tmp_path, size=16, rows=("normal",), of="scene")


def test_empty_subject_teaches(subject, tmp_path):
    class Empty(type(subject)):
        def density(self, points):
            return torch.full((len(points),), 0.01)

    with pytest.raises(RunError, match=r"largest density .* is 0\.01"):
        export("mesh", Empty(), tmp_path, resolution=16)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("faces", range(1, 12))
def test_too_few_faces_are_an_empty_export_or_a_mesh(subject, tmp_path, faces):
    try:
        export("mesh", subject, tmp_path, resolution=24, texture_size=32, max_faces=faces)
    except EmptySurface as problem:
        assert f"max_faces={faces} leaves no face" in str(problem) and not list(tmp_path.iterdir())
    else:
        assert len(trimesh.load(tmp_path / "mesh.glb", force="mesh").faces)


class Ghost:
    """A cloud whose Gaussians all lie below the opacity, and with no surface."""

    bound, extracted = 1.0, True

    def splats(self, min_opacity):
        return SplatCloud(*(np.zeros((0, *size)) for size in ((3,), (4,), (3,), (), (1, 3))))

    def textured(self):
        return None

    def surface(self, resolution, threshold):
        raise EmptySurface("the surface is empty")


def test_no_gaussian_above_the_opacity_is_an_empty_export(tmp_path):
    with pytest.raises(EmptySurface, match=r"no Gaussian has an opacity of 0\.005 or more"):
        export("splats", Ghost(), tmp_path)


def test_empty_exports_are_warnings_and_the_run_goes_on(tmp_path, caplog):
    classes = {name: registry.get("exporter", name) for name in ("splats", "mesh")}
    specs = {name: PartSpec("exporter", name, cls, cls.Config()) for name, cls in classes.items()}
    context = StageContext("export", None, RunFolder(tmp_path), False, Artifacts(scene=Ghost()))
    Export(Export.Config(specs)).run(context)
    assert "splats: no Gaussian" in caplog.text and "mesh: the surface is empty" in caplog.text
