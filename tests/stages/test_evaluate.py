"""A scene measured against its own pictures and surface, and against others."""

import dataclasses
import math

import numpy as np
import pytest
import torch
import trimesh
from coloured_ball import CENTRE, RADIUS, field_ball

from maquette.cameras import orbit_cameras
from maquette.config.parts import check, part
from maquette.data.base import HeldOut, Target
from maquette.errors import ConfigError, RunError
from maquette.meshes.mesh import Mesh
from maquette.meshes.sampling import SurfaceSamples
from maquette.randomness import Draws
from maquette.stages.base import Artifacts, StageContext
from maquette.stages.evaluate import Evaluate
from maquette.training.run_folder import RunFolder

STAGE = Evaluate(
    check(Evaluate.Config, {"data": {"type": "posed-images", "path": "."}, "resolution": 48}, "s", lambda key: None)
)


@pytest.fixture(scope="module")
def held_out() -> HeldOut:
    """Pictures of the ball, drawn by itself."""
    azimuth = torch.tensor([0.0, 120.0])
    cameras = orbit_cameras(azimuth, 0 * azimuth, 0 * azimuth + 3.2, 0 * azimuth + 35, 24)
    return HeldOut(Target(cameras, field_ball().render_cameras(cameras, normals=False).picture), ("a", "b"))


def test_evaluate_finds_a_scene_equal_to_its_own_pictures(held_out):
    rows, sheet = STAGE._compare(field_ball(), held_out)
    assert all(row["ssim"] > 0.9999 and row["silhouette_iou"] == 1 and row["psnr"] > 60 for row in rows)
    assert [len(pictures) for pictures in sheet] == [2, 2] and np.array_equal(sheet[0][0], sheet[1][0])


def test_evaluate_of_opaque_pictures_has_no_silhouettes_and_psnr_is_that_of_its_definition(held_out):
    truth = held_out.views.picture
    grey = dataclasses.replace(truth, color=torch.full_like(truth.color, 0.5), alpha=torch.ones_like(truth.alpha))
    opaque = HeldOut(dataclasses.replace(held_out.views, picture=grey), held_out.names)
    rows, _ = STAGE._compare(field_ball(), opaque)
    error = (truth.over(1.0)[0] - 0.5).square().mean()
    assert "silhouette_iou" not in rows[0]
    assert rows[0]["psnr"] == pytest.approx(-10 * math.log10(float(error)), rel=1e-4)


def test_evaluate_measures_how_far_surfaces_lie_apart():
    directions = torch.nn.functional.normalize(
        torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0)), dim=1
    )
    larger = torch.tensor(CENTRE) + directions * (RADIUS + 0.1)
    figures = STAGE._surface(field_ball(), SurfaceSamples.of_points(larger))
    assert figures["chamfer"] == pytest.approx(0.1, abs=0.005)
    assert figures["f_score_1"] == figures["f_score_2"] == 0 and "normal_consistency" not in figures


def test_evaluate_compares_normals_where_the_true_surface_has_them():
    body = trimesh.creation.icosphere(5, RADIUS)
    truth = SurfaceSamples.of_mesh(Mesh(body.vertices + np.array(CENTRE), body.faces), 20_000, Draws(0, 0))
    figures = STAGE._surface(field_ball(), truth)
    assert figures["normal_consistency"] > 0.97 and figures["f_score_2"] > 0.99


def test_evaluate_against_views_that_no_stage_sampled_says_where_they_come_from(tmp_path):
    stage = Evaluate(Evaluate.Config(part("data", "sampled-views")))
    context = StageContext("measure", None, RunFolder(tmp_path), False, Artifacts(scene=field_ball()))
    with pytest.raises(ConfigError, match="gives the pictures of an earlier stage, and none has sampled any"):
        stage.run(context)


def test_evaluate_without_a_scene_says_what_is_missing(tmp_path):
    with pytest.raises(RunError, match="'measure' has nothing to measure: no stage before it made a scene"):
        STAGE.run(StageContext("measure", None, RunFolder(tmp_path), False))
