"""`maquette nano-objects` writes objects of the nano world as meshes that read back as they were."""

import numpy as np
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.meshes.placement import Placement
from maquette.meshes.reading import read_mesh
from maquette_nano import world


def test_objects_are_written_with_their_captions_and_read_back_in_place(tmp_path):
    result = CliRunner().invoke(app, ["nano-objects", str(tmp_path), "-n", "2", "--first", "1", "--resolution", "32"])
    assert result.exit_code == 0, result.output
    files = sorted(tmp_path.glob("*.glb"))
    assert [file.name for file in files] == ["0001-a-pink-mug.glb", "0002-a-yellow-fish-with-grey-dots.glb"]
    mesh, made = read_mesh(files[0], Placement(fit="none")), world.sample_object(1, "train")
    assert np.abs(made.sdf(mesh.vertices)).max() < 0.03  # a cell of the grid has 0.05
    np.testing.assert_allclose(mesh.vertex_colors, made.albedo(mesh.vertices), atol=0.02)


def test_a_split_that_does_not_exist_is_refused(tmp_path):
    result = CliRunner().invoke(app, ["nano-objects", str(tmp_path), "--split", "tests"])
    assert result.exit_code == 2 and "known: train, validation, test" in result.output
