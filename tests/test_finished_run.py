"""A run as an object: what its folder holds, and what a notebook shows of it."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

import maquette as mq
from maquette import registry
from maquette.config import load_method
from maquette.finished_run import Movie, Run
from maquette.losses.opacity import Opacity
from maquette.plugins.local import SOURCE
from maquette.scene import Scene
from maquette.testing.scaffold import part_source
from maquette.training.manifest import read_manifest
from tiny_run import tiny_words

PROMPT = "a <red> mug & more"


@pytest.fixture(scope="module")
def settings(tiny_pixel_model, tmp_path_factory):
    words = tiny_words(tiny_pixel_model, tmp_path_factory.mktemp("outputs"))
    return {**dict(word.split("=", 1) for word in words), "stages.nerf.loop.log_every": 2}


@pytest.fixture(scope="module")
def run(settings):
    return mq.run("dreamfusion", settings, prompt=PROMPT, seed=3)


def test_a_run_is_that_of_the_command_line(run, settings):
    assert run.config["seed"] == 3 and run.config["prompt"] == PROMPT and run.config["stages"]["nerf"]["steps"] == 8
    words = [f"{key}={value}" for key, value in settings.items()]
    same = load_method("dreamfusion", [*words, "seed=3", f"prompt={PROMPT}"])
    assert run.config == same.plain


def test_a_run_renders_from_its_checkpoint(run):
    cameras = mq.orbit(3, size=16)
    views = mq.render(run, cameras)
    assert isinstance(run.scene, Scene) and views.rgb.shape == (3, 16, 16, 3)
    assert torch.equal(views.rgb, run.scene.render_cameras(cameras).rgb)


@pytest.mark.slow
def test_a_loaded_run_is_the_same_and_a_finished_one_is_resumed_without_a_step(run):
    assert mq.load(run.path) == run == mq.resume(str(run.path))
    assert len(mq.load(run.path).metrics) == len(run.metrics)


def test_the_mesh_is_the_exported_one_in_world_axes(run):
    obj = trimesh.load(run.path / "export" / "mesh.obj", process=False)  # world axes, where glTF's differ
    np.testing.assert_allclose(run.mesh.bounds, obj.bounds, atol=1e-4)
    assert run.mesh.texture is not None


def test_metrics_are_the_rows_of_the_log(run):
    assert [row["step"] for row in run.metrics] == sorted(row["step"] for row in run.metrics) and run.metrics
    assert all(row["stage"] == "nerf" and np.isfinite(row["loss"]) for row in run.metrics)


def test_a_half_written_line_of_metrics_is_left_out(run, tmp_path):
    (tmp_path / "config.yaml").write_bytes(run.folder.config.read_bytes())
    (tmp_path / "metrics.jsonl").write_text('{"stage": "nerf", "step": 1}\n{"stage": "ne')
    assert Run(tmp_path).metrics == [{"stage": "nerf", "step": 1}]


def test_sheet_turntable_and_files_are_those_of_the_export_folder(run):
    with Image.open(run.path / "export" / "sheet.png") as sheet:
        assert run.sheet.size == sheet.size
    assert run.turntable.path == run.path / "export" / "turntable.mp4" == run.files["turntable.mp4"]
    assert Path(run.turntable).read_bytes()[4:8] == b"ftyp"
    assert run.views is None and run.report.is_file()


def test_a_notebook_shows_facts_sheet_turntable_and_links_and_escapes_text(run):
    html = run._repr_html_()
    assert "a &lt;red&gt; mug &amp; more" in html and "<red>" not in html
    assert re.findall(r'<(?:img|video) src="data:(\w+/\w+)', html) == ["image/png", "video/mp4"]
    assert ">mesh.glb</a>" in html and ">report.html</a>" in html


def test_an_unfinished_run_says_what_it_lacks(run, tmp_path):
    (tmp_path / "config.yaml").write_bytes(run.folder.config.read_bytes())
    empty = Run(tmp_path)
    assert empty.metrics == [] and empty.manifest == {} and "not finished" in empty._repr_html_()
    for name, what in (("mesh", "mesh"), ("turntable", "turntable"), ("sheet", "contact sheet")):
        with pytest.raises(mq.MaquetteError, match=f"holds no {what}; export it"):
            getattr(empty, name)


def test_views_are_those_of_the_stage_that_sampled_last(run, tmp_path):
    from maquette.data.formats import PosedImages, save_posed_images
    from maquette.images.picture import Picture

    (tmp_path / "config.yaml").write_bytes(run.folder.config.read_bytes())
    cameras = mq.orbit(2, size=8)
    picture = Picture.opaque(mq.render(run, cameras).rgb)
    save_posed_images(tmp_path / "views" / "nerf", PosedImages(picture, cameras, ("train",) * 2, ("a", "b")))
    assert len(Run(tmp_path).views) == 2


def test_a_gif_is_shown_as_a_picture(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "turntable.gif")
    assert Movie(tmp_path / "turntable.gif")._repr_html_().startswith('<img src="data:image/gif')


@pytest.mark.slow
def test_a_run_is_exported_anew_beside_its_first_export(run):
    files = run.export("obj", settings={"mesh.resolution": 16, "mesh.texture_size": 32})
    assert {path.suffix for path in files} >= {".obj"} and files[0].parent != run.path / "export"
    assert (run.path / "export" / "mesh.glb").is_file()


def test_a_run_is_measured_anew(run):
    values = run.measure("mesh-health")
    assert values["mesh-health/components"] >= 1
    with pytest.raises(mq.MaquetteError, match="there is no metric 'mesh-wealth'; did you mean 'mesh-health'"):
        run.measure("mesh-wealth")


def test_a_run_is_measured_by_a_metric_of_a_local_file(run, tmp_path):
    file = tmp_path / "my_metric.py"
    file.write_text(part_source("mine", "metric"))
    values = run.measure("mine", parts=[file])
    assert values and all(key.startswith("mine/") for key in values)
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)


@pytest.mark.slow
def test_runs_are_compared_by_what_differs(run, settings):
    other = mq.run("dreamfusion", {**settings, "stages.nerf.steps": 4}, prompt=PROMPT, seed=3)
    rows = {row.name: row.values for row in mq.compare(run, other.path).settings}
    assert rows["stages.nerf.steps"] == ("8", "4")


@pytest.mark.slow
def test_a_run_that_is_stopped_raises_what_python_raises_and_goes_on(settings, monkeypatch, tmp_path):
    loss = Opacity.__call__

    def stop_once(self, rendering, geometry):
        monkeypatch.setattr(Opacity, "__call__", loss)
        os.kill(os.getpid(), signal.SIGINT)
        return loss(self, rendering, geometry)

    monkeypatch.setattr(Opacity, "__call__", stop_once)
    with pytest.raises(KeyboardInterrupt, match="a checkpoint is saved: maquette"):
        mq.run("dreamfusion", {**settings, "output": str(tmp_path)}, prompt=PROMPT)
    (config,) = tmp_path.rglob("config.yaml")
    stopped = mq.load(config.parent)
    assert not stopped.files and stopped.folder.checkpointed_steps("nerf") == 1
    before = read_manifest(stopped.folder.manifest)
    resumed = mq.resume(config.parent)
    assert "mesh.glb" in resumed.files
    after = read_manifest(resumed.folder.manifest)
    assert (before["sessions"], after["sessions"]) == (1, 2)
    assert after["wall_seconds"] > before["wall_seconds"]
    assert after["times"]["stage nerf"]["wall_seconds"] > before["times"]["stage nerf"]["wall_seconds"]
