"""A stage starts from the stage before it, or from what another run made."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from maquette.cli import app
from maquette.runs.folder import RunFolder
from maquette.runs.runner import finished_scene

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
"""


def run(words: list[str]) -> Path:
    result = CliRunner().invoke(app, ["run", *words])
    assert result.exit_code == 0, result.output
    line = next(line for line in result.output.splitlines() if line.startswith("run folder: "))
    return Path(line.removeprefix("run folder: "))


@pytest.fixture
def chain(tmp_path: Path) -> list[str]:
    (tmp_path / "chain.yaml").write_text(CHAIN)
    return [str(tmp_path / "chain.yaml"), f"output={tmp_path}"]


def reach(folder: Path) -> float:
    """How far the finished surface is from the origin."""
    vertices = finished_scene(RunFolder.open(folder)).surface(32).vertices
    return float(np.linalg.norm(vertices, axis=1).mean())


def test_a_stage_goes_on_with_the_shape_of_the_one_before(chain):
    assert reach(run(chain)) == pytest.approx(0.4, abs=0.05)


def test_a_stage_starts_from_the_scene_of_another_run(chain):
    volume = run([*chain, "~stages.mesh"])
    mesh = run([*chain, "~stages.volume", f"stages.mesh.start={volume}"])
    assert reach(mesh) == pytest.approx(reach(volume), abs=0.03)


def test_a_start_that_is_no_run_folder_is_refused(chain):
    result = CliRunner().invoke(app, ["run", *chain, "stages.mesh.start=previus"])
    assert result.exit_code != 0 and "start is scratch, previous or a run folder" in result.output
