"""The mesh that exporters share, and what pictures are drawn from."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from maquette.config.parts import PartSpec
from maquette.export.drawing import MeshDrawing
from maquette.export.meshed import MeshedSubject, MeshSettings, picture_source, surface_mesh, textured_mesh
from maquette.geometry.splat_cloud import SplatCloud
from maquette.meshes.health import mesh_health
from maquette.meshes.mesh import EmptySurface
from maquette.registry import get
from maquette.stages.base import Artifacts, StageContext
from maquette.stages.export import Export
from maquette.training.run_folder import RunFolder

SMALL = MeshSettings(resolution=32, texture_size=64, max_faces=2000)


def counting(subject):
    class Counting(type(subject)):
        surfaces = renders = 0

        def surface(self, resolution, threshold):
            type(self).surfaces += 1
            return super().surface(resolution, threshold)

        def render(self, *args):
            type(self).renders += 1
            return super().render(*args)

    return Counting()


def test_mesh_is_made_once_for_all_exporters_of_a_stage(subject, tmp_path):
    scene = counting(subject)
    configs = {"mesh": {"resolution": 32, "texture_size": 64}, "turntable": {"frames": 3, "size": 32}}
    configs["contact-sheet"] = {"size": 32}
    specs = {}
    for name, config in configs.items():
        exporter = get("exporter", name)
        specs[name] = PartSpec("exporter", name, exporter, exporter.Config(**config))
    context = StageContext("export", None, RunFolder(tmp_path), False, Artifacts(scene=scene))
    Export(Export.Config(specs)).run(context)
    assert scene.surfaces == 1 and scene.renders == 0
    assert (context.run.export / "mesh.glb").is_file() and (context.run.export / "sheet.png").is_file()
    pictures = json.loads((context.run.export / "pictures.json").read_text())
    assert pictures == dict.fromkeys(["turntable.mp4", "turntable.gif", "sheet.png"], "exported mesh")


def test_textured_mesh_has_the_settings_faces_and_texture(subject):
    mesh = textured_mesh(subject, SMALL)
    assert mesh.texture.shape == (64, 64, 3) and 500 <= len(mesh.faces) <= 2000


def test_crumbs_that_are_left_out_are_named_in_one_line(subject, caplog):
    class Crumbly(type(subject)):
        def density(self, points):
            crumb = (points - torch.tensor([-0.8, -0.8, 0.8])).norm(dim=-1) < 0.1
            return super().density(points) + 40.0 * crumb

    with caplog.at_level("INFO"):
        mesh = surface_mesh(Crumbly(), SMALL)
    assert [line for line in caplog.messages if "mesh:" in line] == [caplog.messages[0]]
    assert "1 crumb of" in caplog.messages[0] and mesh.bounds[0, 0] > -0.75


def test_surface_of_a_subject_is_closed_and_of_one_piece_where_its_pieces_are_near(subject):
    health = mesh_health(surface_mesh(subject, replace(SMALL, join=0.2)))
    assert health.watertight and health.components == 1


def test_pictures_show_the_mesh_or_the_scene_as_asked(subject):
    meshed = MeshedSubject(subject, SMALL)
    assert isinstance(picture_source(meshed, "auto")[0], MeshDrawing)
    assert picture_source(meshed, "scene") == (meshed, "scene")


def test_gaussians_are_drawn_as_they_are_unless_the_mesh_is_asked_for(subject):
    class Splats(type(subject)):
        def splats(self, min_opacity):
            return SplatCloud(*(np.zeros((1, *size)) for size in ((3,), (4,), (3,), (), (1, 3))))

    meshed = MeshedSubject(Splats(), SMALL)
    assert picture_source(meshed, "auto") == (meshed, "splats")
    assert picture_source(meshed, "mesh")[1] == "exported mesh"


def test_pictures_of_a_scene_without_surface_say_so_and_show_its_renderings(subject, caplog):
    class Empty(type(subject)):
        def density(self, points):
            return torch.zeros(len(points))

    meshed = MeshedSubject(Empty(), SMALL)
    assert picture_source(meshed, "auto") == (meshed, "scene")
    assert "no mesh" in caplog.text
    with pytest.raises(EmptySurface):
        picture_source(meshed, "mesh")


def test_a_mesh_that_has_a_texture_keeps_it_unless_it_has_too_many_faces(subject):
    own = textured_mesh(subject, SMALL)

    class Explicit(type(subject)):
        extracted = False

        def textured(self):
            return own

    assert textured_mesh(Explicit(), MeshSettings()) is own
    assert len(textured_mesh(Explicit(), MeshSettings(resolution=32, texture_size=64, max_faces=300)).faces) <= 300
