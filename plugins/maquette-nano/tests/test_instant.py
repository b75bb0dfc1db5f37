"""From a prompt to a closed, textured mesh by `maquette run instant`, as a newcomer does it."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.data.formats import load_posed_images
from maquette.data.formats.loading import Reading
from maquette.meshes.health import mesh_health, welded
from maquette.meshes.reading import read_mesh

SHORTER = ("stages.views.sampling.steps=8", "stages.shape.steps=12", "stages.shape.texture_size=128",
           "stages.export.exporters.turntable={frames: 4, size: 64}")  # fmt: skip


@pytest.mark.slow
def test_a_prompt_becomes_a_closed_textured_mesh_of_one_piece(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["run", "instant", "prompt=a blue car", f"output={tmp_path}", *SHORTER])
    assert result.exit_code == 0, result.output
    run = next(tmp_path.glob("instant/a-blue-car/*/report.html")).parent
    mesh = read_mesh(run / "export" / "mesh.glb")
    health = mesh_health(welded(mesh))
    assert health.watertight and health.components == 1 and mesh.volume > 0
    assert mesh.texture is not None
    red, _, blue = np.median(mesh.texture.reshape(-1, 3), axis=0)
    assert blue > red + 0.1
    views = load_posed_images(run / "views" / "views", Reading())
    assert len(views) == 4 and (views.cameras.azimuth_deg % 360).tolist() == pytest.approx([0, 90, 180, 270], abs=1)
    assert 0.02 < float(views.picture.alpha.mean()) < 0.6
    assert "Sampled views" in (run / "report.html").read_text()
    assert json.loads((run / "export" / "pictures.json").read_text())["turntable.mp4"] == "exported mesh"
