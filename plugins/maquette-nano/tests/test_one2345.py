"""One-2-3-45++ on nano objects: its cameras see what they should, and a picture becomes a closed, coloured mesh."""

from pathlib import Path

import numpy as np
import pytest
import torch
from imageio.v3 import imwrite
from typer.testing import CliRunner

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.cameras.six_views import six_cameras
from maquette.cli.app import app
from maquette.config.loading import load_method
from maquette.generators.visual_hull import Silhouettes
from maquette.learners.reconstructor import intersection_over_union
from maquette.meshes.health import mesh_health, welded
from maquette.meshes.reading import read_mesh
from maquette.perception.view_volume import cell_centres
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG

BOUND, SIDE, SIZE, OBJECTS = 0.84, 32, 64, 8


def picture_of(number: int, cameras: Cameras) -> world.Render:
    return world.render(world.sample_object(number, "test"), cameras.c2w.numpy(), FOV_DEG, SIZE, 2)


def overlap_and_containment(cameras: Cameras) -> tuple[float, float]:
    """Of the hulls of true masks, read through these cameras: mean IoU, and the part of the objects within them."""
    points, figures = cell_centres(BOUND, SIDE), []
    for number in range(OBJECTS):
        obj = world.sample_object(number, "test")
        hull = Silhouettes(picture_of(number, cameras).picture, cameras).distances(points)
        truth = torch.from_numpy(obj.sdf(points.numpy())) < 0
        within = float((truth & (hull < 2 * BOUND / SIDE)).sum() / truth.sum())
        figures.append((float(intersection_over_union((hull < 0)[None], truth[None])), within))
    return tuple(np.mean(figures, axis=0).tolist())  # type: ignore[return-value]


def six_views_of_the_method(tmp_path: Path) -> Cameras:
    imwrite(tmp_path / "picture.png", np.full((8, 8, 4), 128, np.uint8))
    method = load_method("one2345", [f"image={tmp_path / 'picture.png'}"])
    return method.method.stages["views"].config.views(0)


def test_the_truth_lies_within_the_hull_of_its_true_masks_and_the_lens_is_the_prior_s(tmp_path):
    cameras = six_views_of_the_method(tmp_path)
    assert cameras.azimuth_deg.tolist() == [30, 90, 150, 210, 270, 330]
    assert cameras.elevation_deg.tolist() == [20, -10] * 3
    overlap, within = overlap_and_containment(cameras)
    assert overlap > 0.7 and within > 0.99


def test_through_the_lens_of_zero123plus_the_hull_would_not_fit():
    wrong = six_cameras("v1.1", 0.0, DISTANCE, SIZE)
    points, number = cell_centres(BOUND, SIDE), 0
    one = torch.ones(6)
    right = orbit_cameras(wrong.azimuth_deg, wrong.elevation_deg, DISTANCE * one, FOV_DEG * one, SIZE)
    hull = Silhouettes(picture_of(number, right).picture, wrong).distances(points) < 0
    truth = torch.from_numpy(world.sample_object(number, "test").sdf(points.numpy())) < 0
    assert float(intersection_over_union(hull[None], truth[None])) < 0.4


@pytest.mark.slow
def test_a_picture_becomes_a_closed_mesh_of_one_piece_in_the_picture_s_colors(tmp_path: Path) -> None:
    one = torch.ones(1)
    camera = orbit_cameras(40 * one, 15 * one, DISTANCE * one, FOV_DEG * one, SIZE)
    picture = picture_of(1, camera).picture
    imwrite(tmp_path / "picture.png", (picture.rgba[0].numpy() * 255).astype(np.uint8))
    words = [f"image={tmp_path / 'picture.png'}", f"output={tmp_path}", "stages.views.sampling.steps=4"]
    words += ["stages.object.steps=10", "stages.object.start.shape_steps=2", "stages.object.start.surface_steps=2"]
    words += ["stages.export.exporters={mesh: {formats: [glb]}}"]
    result = CliRunner().invoke(app, ["run", "one2345", *words])
    assert result.exit_code == 0, result.output
    run = next(tmp_path.glob("one2345/*/*/report.html")).parent
    mesh = read_mesh(run / "export" / "mesh.glb")
    health = mesh_health(welded(mesh))
    assert health.watertight and health.components == 1 and mesh.texture is not None
    ours = np.median(mesh.texture[mesh.texture.sum(-1) > 0], axis=0)
    shown = picture.color[picture.alpha[..., 0] > 0.9].median(0).values.numpy()
    assert np.abs(ours - shown).max() < 0.3
