"""Posed pictures become a closed, coloured mesh of one piece, to the same bits after an interruption."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from ball_views import BLUE, RED, ball_views
from command_line import run_folder
from maquette.cli.app import app
from maquette.data.formats import save_posed_images
from maquette.meshes.topology import count_components, is_watertight
from maquette.stages.finished import finished_scene, newest_scene
from maquette.training.run_folder import RunFolder

METHOD = """
name: ball
stages:
  shape:
    type: reconstruct
    views: {folder}/views
    steps: 6
    hull: {{resolution: 24}}
    start: {{type: visual-hull, resolution: 24}}
    geometry: {{type: sdf-voxels, levels: [16, 24], redistance_every: 2}}
    renderer: {{type: mesh, supersampling: 1}}
    loop: {{log_every: 0, checkpoint_every: 1, keep_checkpoints: 9}}
"""


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    save_posed_images(tmp_path / "views", ball_views(size=32))
    (tmp_path / "ball.yaml").write_text(METHOD.format(folder=tmp_path))
    return [str(tmp_path / "ball.yaml"), f"output={tmp_path}/out"]


def test_a_ball_is_closed_in_one_piece_and_has_the_colors_of_its_pictures(words):
    scene = finished_scene(RunFolder.open(run_folder("run", *words)))
    mesh = scene.surface(0)
    assert is_watertight(mesh) and count_components(mesh) == 1
    assert mesh.volume == pytest.approx(4 / 3 * np.pi / 8, rel=0.25)
    poles = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, -0.5]])
    torch.testing.assert_close(scene.color(poles, poles), torch.tensor([RED, BLUE]), atol=0.1, rtol=0)
    assert not scene.extracted  # exporters take its triangles as they are


def test_a_resumed_run_has_the_same_bits_across_a_refinement(words):
    folder = run_folder("run", *words)
    files = ("checkpoints/shape/step-00000006/model.safetensors", "checkpoints/shape/mesh.safetensors")
    whole = [load_file(folder / file) for file in files]
    for step in (3, 4, 5, 6):  # what an interruption after the second step leaves; the third ends the first level
        for file in (folder / "checkpoints/shape" / f"step-{step:08d}").iterdir():
            file.unlink()
        (folder / "checkpoints/shape" / f"step-{step:08d}").rmdir()
    (folder / files[1]).unlink()
    run = RunFolder.open(folder)
    run.write_state({**run.read_state(), "finished": []})
    assert CliRunner().invoke(app, ["resume", str(folder)]).exit_code == 0
    for before, file in zip(whole, files, strict=True):
        after = load_file(folder / file)
        assert before.keys() == after.keys() and all(torch.equal(before[key], after[key]) for key in before)


def test_a_stopped_fit_gives_the_mesh_of_its_last_checkpoint(words):
    """The run is stopped between its last checkpoint and its mesh, which therefore is the same."""
    run = RunFolder.open(run_folder("run", *words))
    mesh = finished_scene(run).surface(0)
    (run.checkpoints / "shape" / "mesh.safetensors").unlink()
    run.write_state({**run.read_state(), "finished": []})
    saved = newest_scene(run)
    assert (saved.stage, saved.step, saved.finished) == ("shape", 6, False)
    assert np.array_equal(saved.scene.surface(0).vertices, mesh.vertices)


def test_without_steps_the_result_is_the_start(words):
    mesh = finished_scene(RunFolder.open(run_folder("run", *words, "stages.shape.steps=0"))).surface(0)
    assert is_watertight(mesh) and not (mesh.vertices[:, 2] < -0.56).any()  # the flat base of the hull


def test_a_mesh_has_about_as_many_faces_as_asked_for(words):
    folder = run_folder("run", *words, "stages.shape.steps=0", "stages.shape.max_faces=300")
    mesh = finished_scene(RunFolder.open(folder)).surface(0)
    assert len(mesh.faces) <= 310 and is_watertight(mesh)


def refusal(*words: str) -> str:
    result = CliRunner().invoke(app, ["run", *words])
    assert result.exit_code != 0
    return " ".join(f"{result.output} {result.exception}".split())


def test_without_a_stage_that_samples_there_are_no_pictures(words):
    text = refusal(*words, "stages.shape.views=previous")
    assert "no pictures to reconstruct from" in text and "stage of type sample" in text


def test_a_missing_folder_and_missing_losses_are_refused(words):
    assert "there is no folder" in refusal(*words, "stages.shape.views=nowhere")
    assert "steps: 0" in refusal(*words, "stages.shape.losses={}")


def test_a_loss_of_normals_without_an_estimator_names_the_remedy(words):
    assert "estimator" in refusal(*words, "stages.shape.losses.normal-l1.weight=1")


def test_opaque_pictures_are_refused(words, tmp_path):
    views = ball_views(size=16)
    opaque = type(views.picture).opaque(views.picture.color)
    save_posed_images(tmp_path / "opaque", type(views)(opaque, views.cameras, views.split, views.names))
    assert "pictures are opaque" in refusal(*words, f"stages.shape.views={tmp_path}/opaque")
