"""A stage starts from the stage before it, or from what another run made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from command_line import run_folder
from maquette import registry
from maquette.cli.app import app
from maquette.generators.base import DistanceGrid, Generator
from maquette.materials.latent import LATENT_TO_RGB
from maquette.stages.finished import finished_scene
from maquette.training.run_folder import RunFolder

CHAIN = """
name: chain
stages:
  volume:
    type: optimise
    steps: 1
    cameras: {type: random-orbit, size: 8}
    geometry: {type: voxel-grid, resolution: 32, blob: magic3d, blob_strength: 200.0, blob_radius: 0.4}
    material: plain
    background: {type: solid}
    renderer: {type: volume, samples: 16}
    losses: {total-variation: {weight: 1.0e-6}}
    loop: {log_every: 0, preview_every: 0}
  mesh:
    type: optimise
    start: previous
    steps: 1
    cameras: {type: random-orbit, size: 8}
    geometry: {type: dmtet, resolution: 16, radius: 0.9, levels: 4, log2_table_size: 10, finest_resolution: 32}
    material: plain
    background: {type: solid}
    renderer: mesh
    losses: {laplacian: {weight: 1.0e-6}}
    loop: {log_every: 0, preview_every: 0}
"""


SMALL = {  # what makes a method of two stages take seconds, by the renderer of a stage
    "volume": ("levels=4", "log2_table_size=10", "finest_resolution=32"),
    "mesh": ("texture_size=32", "max_faces=500"),
}


class Ball(Generator):
    """A ball, as distances."""

    @dataclass(frozen=True)
    class Config:
        radius: float = 0.5

    def __init__(self, config: Config) -> None:
        self.config = config

    def generate(self, request, views, draws):
        axis = torch.linspace(-0.7, 0.7, 29)
        distances = torch.cartesian_prod(axis, axis, axis).norm(dim=-1) - self.config.radius
        return DistanceGrid(distances.reshape(29, 29, 29), (-0.7,) * 3, 0.05)


QUIET = ("loop.preview_every=0", "loop.log_every=0")


@pytest.fixture(autouse=True)
def _few_steps_of_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colours that a conversion fits need not be right here."""
    monkeypatch.setattr("maquette.conversions._appearance.COLOR_STEPS", 4)


def small(folder: Path, weights: Path, **stages: str) -> list[str]:
    """Overrides for a run of few and small steps on a tiny Stable Diffusion, up to the export."""
    words = ["prompt=a red mug", "prior=sd15", f"prior.path={weights}", "prior.size=32", "prior.dtype=float32"]
    for stage, renderer in stages.items():
        words += [f"stages.{stage}.geometry.{setting}" for setting in SMALL[renderer]]
        words += [f"stages.{stage}.{setting}" for setting in ("steps=2", "cameras.size=16", *QUIET)]
        if renderer == "volume":
            words.append(f"stages.{stage}.renderer.samples=24")
    return [*words, f"output={folder}", "~stages.export"]


@pytest.fixture
def chain(tmp_path: Path) -> list[str]:
    (tmp_path / "chain.yaml").write_text(CHAIN)
    return [str(tmp_path / "chain.yaml"), f"output={tmp_path}"]


def reach(folder: Path) -> float:
    """How far the finished surface is from the origin."""
    vertices = finished_scene(RunFolder.open(folder)).surface(32).vertices
    return float(np.linalg.norm(vertices, axis=1).mean())


def test_a_stage_goes_on_with_the_shape_of_the_one_before(chain):
    assert reach(run_folder("run", *chain)) == pytest.approx(0.4, abs=0.05)


def test_a_stage_starts_from_the_scene_of_another_run(chain):
    volume = run_folder("run", *chain, "~stages.mesh")
    mesh = run_folder("run", *chain, "~stages.volume", f"stages.mesh.start={volume}")
    assert reach(mesh) == pytest.approx(reach(volume), abs=0.03)


def test_a_start_that_is_no_run_folder_is_refused(chain):
    result = CliRunner().invoke(app, ["run", *chain, "stages.mesh.start=previus"])
    assert result.exit_code != 0 and "start is scratch, previous or a run folder" in result.output


def test_latents_are_refined_through_a_map_that_learns(tiny_stable_diffusion, tmp_path):
    words = small(tmp_path, tiny_stable_diffusion, latent="volume", refine="volume")
    scene = finished_scene(RunFolder.open(run_folder("run", "latent-nerf", *words)))
    assert scene.geometry.channels == 4 and scene.material.latent_channels == 0
    assert 0 < (scene.material.to_rgb.detach() - torch.tensor(LATENT_TO_RGB)).abs().max() < 0.01


def test_a_mesh_is_repainted_by_its_depth(tiny_stable_diffusion, tiny_control, tmp_path):
    words = small(tmp_path, tiny_stable_diffusion, sdf="volume", texture="mesh")
    prior = "stages.texture.guidance.repaint.prior"
    words += [f"{prior}.path={tiny_stable_diffusion}", f"{prior}.controlnet={tiny_control}", f"{prior}.size=32"]
    words += [f"{prior}.dtype=float32", "stages.texture.guidance.repaint.objective.steps=4"]
    scene = finished_scene(RunFolder.open(run_folder("run", "textmesh", *words)))
    assert not scene.extracted and scene.geometry.paint.features.shape[:2] == (32, 32)


def test_a_stage_starts_from_what_a_generator_makes(chain, monkeypatch):
    monkeypatch.setitem(registry._classes, ("generator", "test-ball"), Ball)
    start = "stages.mesh.start={type: test-ball, radius: 0.3}"
    assert reach(run_folder("run", *chain, "~stages.volume", start)) == pytest.approx(0.3, abs=0.03)


def test_a_generator_that_does_not_exist_is_named(chain):
    result = CliRunner().invoke(app, ["run", *chain, "stages.mesh.start={type: visual-hul}"])
    assert result.exit_code != 0 and "visual-hull" in result.output
