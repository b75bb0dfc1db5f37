"""What a stage's pictures lack is said before the first step."""

import numpy as np
from imageio.v3 import imwrite
from typer.testing import CliRunner

from maquette.cli.app import app

METHOD = """
name: one-picture
image: ???
stages:
  fit:
    type: optimise
    steps: 1
    data: {type: image, path: "${image}", size: 16}
    geometry: {type: voxel-grid, resolution: 8}
    material: plain
    background: {type: solid}
    renderer: {type: volume, samples: 16}
    losses: {rgb: {weight: 1.0}, depth: {weight: 1.0}}
"""


def test_a_depth_loss_without_a_depth_map_names_the_remedies(tmp_path):
    disk = np.hypot(*np.mgrid[-1:1:32j, -1:1:32j]) < 0.7
    imwrite(tmp_path / "ball_rgba.png", (np.dstack([disk, 0 * disk, 0 * disk, disk]) * 255).astype(np.uint8))
    (tmp_path / "one-picture.yaml").write_text(METHOD)
    words = ["run", str(tmp_path / "one-picture.yaml"), f"image={tmp_path / 'ball_rgba.png'}", f"output={tmp_path}"]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code != 0
    shown = " ".join(f"{refused.output} {refused.exception}".split())
    assert "stages.fit.losses.depth: loss 'depth' wants depth, which the stage's pictures come without" in shown
    assert "(data.depth, data.estimator)" in shown and "~stages.fit.losses.depth" in shown
    assert "run folder" not in shown  # nothing has begun
    assert CliRunner().invoke(app, [*words, "~stages.fit.losses.depth"]).exit_code == 0
