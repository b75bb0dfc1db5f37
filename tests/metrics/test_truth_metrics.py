"""The metrics that compare a scene with the true object: a ball beside true balls in files."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
import trimesh
import yaml
from coloured_ball import CENTRE, RADIUS, field_ball, mesh_ball

from maquette.bench.suites import Suite
from maquette.cameras import orbit_cameras
from maquette.config.parts import check
from maquette.data.formats import PosedImages, save_posed_images
from maquette.errors import ConfigError
from maquette.meshes.mesh import Mesh
from maquette.metrics.base import Case, check_truth
from maquette.metrics.mesh_health import MeshHealthMetric
from maquette.metrics.novel_views import NovelViews
from maquette.metrics.surface_distance import SurfaceDistance
from project import examples

DISTANCE = SurfaceDistance(SurfaceDistance.Config(samples=20_000, resolution=64))
HEALTH = MeshHealthMetric(MeshHealthMetric.Config(resolution=64))
VIEWS = NovelViews(NovelViews.Config())


def case(**truth: str) -> Case:
    """A case with these files as its truth."""
    data = {"prompt": "a ball", "truth": {"type": "files", **truth}}
    return check(Case, data, "cases.0", lambda key: None)


@pytest.fixture(scope="module")
def ball_file(tmp_path_factory):
    """The ball that the scenes show, in a PLY file."""
    body = trimesh.creation.icosphere(5, RADIUS)
    body.apply_translation(CENTRE)
    path = tmp_path_factory.mktemp("truth") / "ball.ply"
    body.export(path)
    return path


@pytest.fixture(scope="module")
def views_folder(tmp_path_factory):
    """Three pictures of the ball, one of them to train on."""
    azimuth = torch.tensor([0.0, 100.0, 200.0])
    cameras = orbit_cameras(azimuth, 0 * azimuth + 20, 0 * azimuth + 3.2, 0 * azimuth + 35, 32)
    picture = mesh_ball().render_cameras(cameras, normals=False).picture
    folder = tmp_path_factory.mktemp("views")
    save_posed_images(folder, PosedImages(picture, cameras, ("train", "test", "test"), ("a", "b", "c")))
    return folder


def test_surface_distance_of_a_ball_to_itself_is_nothing(ball_file):
    measured = DISTANCE(mesh_ball(), case(surface=str(ball_file)))
    assert set(measured.values) == set(DISTANCE.directions())
    assert measured.values["f_score_1"] > 0.99 and measured.values["normal_consistency"] > 0.99
    assert measured.values["chamfer"] < 0.008 and measured.facts["protocol"] == "surface-1"


def test_surface_distance_of_a_field_is_that_of_its_extracted_surface(ball_file):
    assert DISTANCE(field_ball(), case(surface=str(ball_file))).values["f_score_2"] > 0.99


def test_surface_distance_of_a_scene_without_a_surface_is_an_f_score_of_nothing(ball_file):
    nothing = field_ball()
    nothing.geometry.grid.data[:, 0] = -4000
    measured = DISTANCE(nothing, case(surface=str(ball_file)))
    assert measured.values == {"f_score_1": 0, "f_score_2": 0} and "problem" in measured.facts


def test_mesh_health_has_a_roughness_beside_a_true_surface_alone(ball_file):
    beside, alone = HEALTH(mesh_ball(), case(surface=str(ball_file))), HEALTH(mesh_ball(), Case("a ball"))
    assert set(beside.values) == set(HEALTH.directions()) and beside.values["roughness"] == pytest.approx(1, abs=0.01)
    assert "roughness" not in alone.values and alone.values["watertight"] == alone.values["components"] == 1


def test_mesh_health_of_a_holed_mesh_is_bad():
    holed = mesh_ball()
    surface = holed.surface(8)
    holed.geometry.replace_mesh(Mesh(surface.vertices, surface.faces[5:]))
    values = HEALTH(holed, Case("a ball")).values
    assert values["watertight"] == 0 and values["open_edges"] > 0


def test_novel_views_are_the_test_pictures_alone(views_folder):
    measured = VIEWS(mesh_ball(), case(views=str(views_folder)))
    assert measured.facts["views"] == 2 and set(measured.values) == set(VIEWS.directions())
    assert measured.values["psnr"] > 40 and measured.values["silhouette_iou"] > 0.99


def test_novel_views_of_something_smaller_agree_less(views_folder):
    small = mesh_ball()
    surface = small.surface(8)
    small.geometry.replace_mesh(Mesh((surface.vertices - np.array(CENTRE)) * 0.5 + np.array(CENTRE), surface.faces))
    measured = VIEWS(small, case(views=str(views_folder)))
    assert measured.values["silhouette_iou"] == pytest.approx(0.25, abs=0.05) and measured.values["psnr"] < 20


def test_a_case_without_the_truth_that_a_metric_needs_says_what_to_give(ball_file):
    with pytest.raises(ConfigError, match="has no truth to compare with") as problem:
        check_truth(DISTANCE, Case("a ball"))
    assert "truth: {type: files" in str(problem.value)
    with pytest.raises(ConfigError, match="has no views, which a metric compares with"):
        check_truth(VIEWS, case(surface=str(ball_file)))
    check_truth(DISTANCE, case(surface=str(ball_file)))
    check_truth(HEALTH, Case("a ball"))


def test_the_suite_of_the_page_on_metrics_can_be_loaded():
    data = {"method": "dreamfusion", **yaml.safe_load(examples("metrics", "yaml")[0])}
    suite = check(Suite, data, "", lambda key: None)
    assert [case.truth.name for case in suite.cases] == ["files", "nano-object"]
    for metric, case in product((spec.build() for spec in suite.metrics.values()), suite.cases):
        check_truth(metric, case)


def test_truth_files_are_one_or_both():
    with pytest.raises(ConfigError, match="surface, views or both"):
        case()


def test_a_missing_file_of_the_truth_is_named():
    with pytest.raises(ConfigError, match=r"nowhere\.ply") as problem:
        DISTANCE(mesh_ball(), case(surface="/nowhere.ply"))
    assert "truth.surface" in str(problem.value)


def test_truth_files_are_turned_upright_and_keep_their_size(tmp_path):
    box = trimesh.creation.box((0.2, 0.6, 0.4))  # as glTF has it: y up, z to the front
    box.apply_translation((0, 1, 0))
    box.export(tmp_path / "box.glb")
    truth = case(surface=str(tmp_path / "box.glb")).build_truth().surface()
    assert truth.bounds == pytest.approx(np.array([[-0.2, -0.1, 0.7], [0.2, 0.1, 1.3]]), abs=1e-6)
