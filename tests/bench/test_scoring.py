"""Scoring of files that were made elsewhere: the same numbers as a run of ours, and what is refused."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
import trimesh
from typer.testing import CliRunner

from maquette.bench.records import find_records, read_record
from maquette.bench.scoring import read_system, score_folder
from maquette.bench.suites import load_suite
from maquette.bench.verifying import verify
from maquette.cameras import orbit_cameras
from maquette.cli.app import app
from maquette.config.parts import part
from maquette.data.formats import PosedImages, save_posed_images
from maquette.errors import ConfigError, RunError
from maquette.metrics.subjects import mesh_scene

SYSTEM = 'name = "elsewhere"\nversion = "1.0"\nhardware = "a card"\nseconds = 3.5\n'


@pytest.fixture
def made(ran, tmp_path) -> Path:
    """The exported meshes of our own method `tiny`, as files of another system."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "system.toml").write_text(SYSTEM)
    for row in ran.rows:
        if row.job.column == "tiny":
            shutil.copyfile(row.folder / "mesh.glb", folder / f"{row.job.case.title}.glb")
    return folder


def test_scoring_the_exported_meshes_of_a_method_gives_the_numbers_of_its_own_run(ran, suite, made, tmp_path):
    scored = {one.record.case: one.record for one in score_folder(made, suite, tmp_path / "results")}
    for row in ran.rows:
        if row.job.column == "tiny":
            assert scored[row.record.case].values == row.record.values
            assert scored[row.record.case].costs == {"seconds": 3.5} and scored[row.record.case].source == "score"
    verdict = verify(tmp_path / "results", suite, tmp_path / "work")
    assert verdict.trust == 1 and verdict.records == 2 and not verdict.findings


def test_a_case_without_a_file_or_with_a_broken_one_is_recorded_as_failed(suite, made, tmp_path):
    (made / "disc.glb").unlink()
    (made / "square.glb").write_bytes(b"glTF broken")
    rows = list(score_folder(made, suite, tmp_path / "results"))
    assert [row.record.status for row in rows] == ["failed", "failed"]
    assert "no file of this case" in rows[0].record.error and "prediction.glb" in rows[1].record.error
    assert {read_record(path).status for path in find_records(tmp_path / "results" / "pictures@1" / "elsewhere")} == {
        "failed"
    }


def test_files_of_a_failed_attempt_are_not_read_again_in_place_of_new_ones(suite, made, tmp_path):
    meshes = {path: trimesh.load(path, force="mesh") for path in sorted(made.glob("*.glb"))}
    for path in meshes:
        path.write_bytes(b"glTF broken")
    assert [row.record.status for row in score_folder(made, suite, tmp_path / "results")] == ["failed"] * 2
    for path, mesh in meshes.items():
        path.unlink()
        mesh.export(path.with_suffix(".ply"))
    for row in score_folder(made, suite, tmp_path / "results"):
        assert row.record.status == "done", row.record.error
        assert set(row.record.predictions) == {"prediction.ply", "views.png"}
        assert {path.name for path in row.folder.iterdir()} == {"prediction.ply", "views.png", "result.json"}


def test_a_scored_system_is_not_scored_again_under_its_version(suite, made, tmp_path):
    list(score_folder(made, suite, tmp_path / "results"))
    with pytest.raises(RunError, match=r"elsewhere 1\.0 is recorded already for disc"):
        list(score_folder(made, suite, tmp_path / "results"))
    (made / "system.toml").write_text(SYSTEM.replace("1.0", "1.1"))
    assert len(list(score_folder(made, suite, tmp_path / "results"))) == 2


def test_files_of_no_case_are_refused_with_the_nearest(suite, made, tmp_path):
    (made / "disc.glb").rename(made / "dics.glb")
    with pytest.raises(ConfigError, match=r"dics\.glb is of no case of the suite 'pictures' .*did you mean 'disc'"):
        list(score_folder(made, suite, tmp_path / "results"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no system.toml"), ('name = "x"', "version"), (f"{SYSTEM}colour = 1", "colour"),
        ("name = ", "cannot be read"), (SYSTEM.replace("elsewhere", "oracle"), "name of a baseline"),
    ],
)  # fmt: skip
def test_an_account_of_a_system_that_is_wrong_names_the_key(tmp_path, text, message):
    if text is not None:
        (tmp_path / "system.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_system(tmp_path)


def test_a_mesh_of_several_files_is_kept_as_one_and_turned_to_our_axes(suite, tmp_path):
    """The box lies along x in our world; in the OBJ of a system whose z is the front it lies along z."""
    folder = tmp_path / "system"
    (folder / "disc").mkdir(parents=True)
    (folder / "system.toml").write_text(SYSTEM)
    trimesh.creation.box((0.2, 0.2, 0.8)).export(folder / "disc" / "1.obj")
    turned = dataclasses.replace(
        suite, cases=suite.cases[:1], metrics={"volume-iou": part("metric", "volume-iou", samples=12)},
        protocol=dataclasses.replace(suite.protocol, up="y", front="+z"),
    )  # fmt: skip
    (row,) = score_folder(folder, turned, tmp_path / "results")
    assert set(row.record.predictions) == {"mesh.glb", "views.png"} and row.record.status == "done", row.record.error
    kept = trimesh.load(row.folder / "mesh.glb", force="mesh")
    assert sorted(kept.extents.round(3)) == [0.2, 0.2, 0.8]
    assert verify(tmp_path / "results", turned, tmp_path / "work").trust == 1


def test_views_that_were_made_elsewhere_are_scored_by_metrics_of_pictures(tmp_path, ran):
    """The true pictures themselves, from the true cameras, as a folder of posed pictures."""
    azimuth = torch.arange(4) * 90.0
    cameras = orbit_cameras(azimuth, 0 * azimuth + 20, 0 * azimuth + 3.2, 0 * azimuth + 35, 24)
    ball = mesh_scene(ran.suite.cases[0].build_truth().surface())
    picture = ball.render_cameras(cameras, normals=False).picture
    views = PosedImages(picture, cameras, ("train",) * 4, tuple("abcd"))
    for folder in (tmp_path / "truth", tmp_path / "system" / "a-ball"):
        save_posed_images(folder, views)
    (tmp_path / "system" / "system.toml").write_text(SYSTEM)
    (tmp_path / "tiny.yaml").write_text((ran.results.parent / "tiny.yaml").read_text())
    (tmp_path / "views.yaml").write_text(
        "method: ./tiny.yaml\nmetrics: {novel-views: {}}\nbaselines: {trivial: nothing}\n"
        "cases: [{prompt: a ball, truth: {type: files, views: truth}}]\n"
    )
    suite = load_suite(str(tmp_path / "views.yaml"))
    (row,) = score_folder(tmp_path / "system", suite, tmp_path / "results")
    assert row.record.status == "done" and row.record.values["novel-views@1/psnr"] == 100, row.record.error


def test_the_command_line_scores_a_folder_beside_the_baselines(ran, made, tmp_path):
    words = ["--suite", str(ran.results.parent / "pictures.yaml"), "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(app, ["leaderboard", "score", str(made), *words])
    assert done.exit_code == 0 and "elsewhere" in done.output and "oracle" in done.output, done.output
