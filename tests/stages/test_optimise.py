"""A whole method, as a user starts it, on tiny random weights."""

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh

from command_line import logged, run_folder
from maquette.config import load_method
from maquette.errors import ConfigError


@pytest.fixture(scope="module")
def finished(tiny_pixel_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    return run_folder(
            "run", "dreamfusion", "prompt=a red mug", f"prior.path={tiny_pixel_model}", "prior.dtype=float32",
            f"output={folder}", "stages.nerf.steps=6", "stages.nerf.cameras.size=16", "stages.nerf.geometry.levels=4",
            "stages.nerf.renderer.samples=24", "stages.nerf.loop.preview_every=3", "stages.nerf.loop.log_every=1",
            "stages.export.exporters.mesh={resolution: 24, texture_size: 64, max_faces: 500}",
            "stages.export.exporters.turntable={frames: 4, size: 32}",
            "stages.export.exporters.contact-sheet={size: 32}",
    )  # fmt: skip


def test_the_run_folder_holds_everything(finished):
    for name in (
        "config.yaml",
        "manifest.json",
        "metrics.jsonl",
        "report.html",
        "export/turntable.mp4",
        "export/turntable.gif",
    ):
        assert (finished / name).stat().st_size > 0, name
    assert sorted(path.name for path in (finished / "previews" / "nerf").iterdir()) == ["000003.png", "000006.png"]


def test_the_mesh_opens_in_an_independent_library_with_its_texture(finished):
    scene = trimesh.load(finished / "export" / "mesh.glb")
    mesh = next(iter(scene.geometry.values()))
    assert len(mesh.faces) > 50
    assert np.asarray(mesh.visual.material.baseColorTexture).shape[:2] == (64, 64)


def test_the_manifest_tells_versions_machine_and_times(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["versions"]["torch"] and manifest["machine"]["cores"] and manifest["seed"] == 0
    assert manifest["times"]["render"]["cpu_seconds"] > 0 and manifest["peak_memory_mb"] > 50
    assert manifest["finished_stages"] == ["nerf", "export"]


def test_every_step_is_logged_with_its_terms(finished):
    rows = logged(finished)
    assert [row["step"] for row in rows] == list(range(6))
    assert all({"loss/sds", "timestep", "lr", "gradient_norm", "opacity"} <= row.keys() for row in rows)


def test_resuming_a_finished_run_only_reports_again(finished):
    before = (finished / "metrics.jsonl").read_text()
    run_folder("resume", str(finished))
    assert (finished / "metrics.jsonl").read_text() == before


def test_a_stable_diffusion_layout_runs_the_same_method(tiny_stable_diffusion, tiny_run):
    small = ["stages.nerf.steps=3", "stages.nerf.loop.log_every=1", "~stages.export"]
    words = ["dreamfusion", "prompt=a red mug", *tiny_run, f"prior.path={tiny_stable_diffusion}", *small]
    rows = logged(run_folder("run", *words))
    assert len(rows) == 3 and rows[-1]["loss/sds"] > 0


def test_sd15_gives_the_papers_settings():
    config = load_method("dreamfusion", ["prompt=x", "prior=sd15"]).method.stages["nerf"].config
    guidance = config.guidance["sds"]
    assert config.steps == 10_000 and guidance.prior.config.path == "stable-diffusion-v1-5/stable-diffusion-v1-5"
    assert (guidance.score.config.scale, guidance.score.config.base) == (100, "text")


def test_a_material_needs_its_channels(tiny_run):
    with pytest.raises(ConfigError, match="material 'diffuse' reads 3 channels, but geometry 'hash-grid' has 2"):
        load_method("dreamfusion", ["prompt=x", *tiny_run, "stages.nerf.geometry.channels=2"])
