"""`instant` and `instant-image` with folders in the layouts of MVDream and Zero123++, of random weights."""

import numpy as np
import pytest
import tiny_mvdream
import trimesh
from PIL import Image
from typer.testing import CliRunner

from maquette.cli.app import app
from zero123plus_layouts import save_folder

SHORT = [
    "stages.views.sampling.steps=2", "stages.shape.steps=4", "stages.shape.texture_size=32",
    "~stages.export.exporters.turntable", "~stages.export.exporters.contact-sheet",
]  # fmt: skip


@pytest.fixture(params=["mvdream", "zero123plus"])
def words(request, tmp_path) -> list[str]:
    """A run of the method that takes this prior, in a few steps."""
    folder, out = tmp_path / "model", f"output={tmp_path / 'out'}"
    if request.param == "mvdream":
        folder.mkdir()
        tiny_mvdream.save_port(folder, tiny_mvdream.state())
        sizes = [f"stages.views.cameras.size={tiny_mvdream.SIZE}", "negative_prompt=''"]
        command = ["run", "instant", "prompt=a red mug", *sizes]
    else:
        save_folder(folder, latent=True)
        picture = np.zeros((32, 32, 4), np.uint8)
        picture[8:24, 8:24] = 200, 40, 40, 255
        Image.fromarray(picture).save(tmp_path / "cube.png")
        sizes = ["stages.views.prior.size=16", "stages.views.prior.layout=v1.2"]
        command = ["run", "instant-image", f"image={tmp_path / 'cube.png'}", *sizes]
    return [*command, f"prior={request.param}", f"stages.views.prior.path={folder}", out, *SHORT]


@pytest.mark.slow
def test_without_matting_it_ends_in_a_closed_textured_mesh_and_with_one_in_one_line(words, tmp_path):
    result = CliRunner().invoke(app, [*words, "stages.views.matting=null"])
    assert result.exit_code == 0, result.output
    mesh = trimesh.load(next(tmp_path.rglob("mesh.glb")), force="mesh", process=True, merge_tex=True)
    assert mesh.is_watertight and mesh.body_count == 1 and mesh.visual.kind == "texture"
    result = CliRunner().invoke(app, [*words, "stages.views.matting=border"])
    errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert result.exit_code == 2 and len(errors) == 1 and "border is not of one colour" in errors[0]
    assert "Traceback" not in result.output
