"""What is measured besides scenes: balls from files, true objects, and trivial ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import trimesh
from coloured_ball import mesh_ball

from maquette.cameras import orbit_cameras
from maquette.config.parts import PartSpec
from maquette.data.formats import PosedImages
from maquette.errors import RunError
from maquette.export.exporters.mesh import MeshExporter
from maquette.export.exporters.splats import SplatsExporter
from maquette.images.picture import Picture
from maquette.meshes.mesh import EmptySurface, Mesh
from maquette.meshes.placement import Placement
from maquette.meshes.reading import inspect_mesh
from maquette.metrics.base import Case
from maquette.metrics.novel_views import NovelViews
from maquette.metrics.subjects import (
    Nothing,
    TrueSubject,
    ViewsSubject,
    mesh_scene,
    same_cameras,
    splat_scene,
    trivial_subject,
)  # fmt: skip
from maquette.metrics.surface_distance import SurfaceDistance
from maquette.metrics.truths.files import TruthFiles


def ring(size: int = 32, count: int = 4):
    azimuth = torch.arange(count) * 360.0 / count
    return orbit_cameras(azimuth, 0 * azimuth + 20, 0 * azimuth + 3.2, 0 * azimuth + 35, size)


def test_subjects_of_meshes_render_as_the_scene_that_they_were_exported_from(tmp_path):
    ball = mesh_ball()
    settings = MeshExporter.Config(texture_size=128, formats=("glb",))
    file = MeshExporter(settings)(ball, tmp_path)[0]
    again = mesh_scene(inspect_mesh(file, Placement(fit="none")).value)
    one, other = (each.render_cameras(ring(), normals=False).picture.over(1.0) for each in (ball, again))
    assert float((one - other).abs().mean()) < 0.01


def test_a_mesh_without_colours_is_grey_and_one_without_faces_is_refused():
    body = trimesh.creation.box((0.5, 0.5, 0.5))
    picture = mesh_scene(Mesh(body.vertices, body.faces)).render_cameras(ring(), normals=False).picture
    assert torch.allclose(picture.color[picture.alpha[..., 0] > 0.99], torch.tensor(0.5), atol=0.01)
    with pytest.raises(EmptySurface):
        mesh_scene(Mesh([], []))


def test_splats_of_a_file_are_seen_from_all_around(tmp_path):
    from coloured_ball import converted, field_ball

    made = converted(field_ball(), "gaussians")
    file = SplatsExporter(SplatsExporter.Config())(made, tmp_path)[0]
    one, other = (each.render_cameras(ring(), normals=False).picture for each in (made, splat_scene(file)))
    assert float((one.over(1.0) - other.over(1.0)).abs().mean()) < 0.02


def test_views_are_given_from_their_own_cameras_alone():
    cameras = ring()
    picture = mesh_ball().render_cameras(cameras, normals=False).picture
    views = ViewsSubject(PosedImages(picture, cameras, ("test",) * 4, tuple("abcd")))
    assert torch.equal(views.render_cameras(cameras[2:3]).picture.color, picture[2:3].color)
    with pytest.raises(RunError, match="a view that is not among the pictures"):
        views.render([10.0], 20.0, 32)
    assert same_cameras(cameras, ring(16)) is None


@pytest.fixture
def case(tmp_path) -> Case:
    body = trimesh.creation.icosphere(4, 0.5)
    body.export(tmp_path / "ball.ply")
    truth = TruthFiles.Config(surface=str(tmp_path / "ball.ply"))
    return Case("a ball", {}, PartSpec("truth", "files", TruthFiles, truth))


def test_the_true_subject_is_at_no_distance_from_the_truth(case):
    metric = SurfaceDistance(SurfaceDistance.Config(samples=5000))
    true = metric(TrueSubject(case.build_truth()), case).values
    trivial = metric(trivial_subject("ball"), case).values
    assert true["f_score_2"] > 0.98 and abs(true["chamfer"] - trivial["chamfer"]) < 0.01  # the truth is that ball
    nothing = metric(Nothing(), case).values
    assert nothing == {"f_score_1": 0, "f_score_2": 0}


def test_the_true_subject_gives_its_true_pictures_where_they_are_known(tmp_path):
    from maquette.data.formats import save_posed_images

    cameras = ring()
    picture = mesh_ball().render_cameras(cameras, normals=False).picture
    save_posed_images(tmp_path, PosedImages(picture, cameras, ("train",) * 4, tuple("abcd")))
    case = Case("a ball", {}, PartSpec("truth", "files", TruthFiles, TruthFiles.Config(views=str(tmp_path))))
    metric = NovelViews(NovelViews.Config())
    assert metric(TrueSubject(case.build_truth()), case).values["psnr"] == 100
    assert metric(Nothing(), case).values["silhouette_iou"] == 0
    with pytest.raises(EmptySurface):
        TrueSubject(case.build_truth()).surface(8)


def test_a_truth_that_draws_itself_is_seen_so_and_keeps_the_depth_of_its_surface(case, monkeypatch):
    cameras = ring()
    drawn = Picture.opaque(torch.full((4, cameras.height, cameras.width, 3), 0.25))
    monkeypatch.setattr(TruthFiles, "pictures", lambda self, seen: drawn if seen is cameras else None)
    true = TrueSubject(case.build_truth())
    views, others = true.render_cameras(cameras), true.render_cameras(ring())
    assert bool((views.rgb == 0.25).all()) and views.picture is drawn
    assert views.depth.equal(others.depth) and views.normal.equal(others.normal)
    assert not others.rgb.equal(views.rgb)


def test_nothing_is_white_from_everywhere():
    views = Nothing().render([0.0, 90.0], 20.0, 8)
    assert bool((views.picture.over(1.0) == 1).all()) and np.all(views.picture.alpha.numpy() == 0)
