"""A run is exported anew from its newest checkpoint, with other settings; nothing is lost."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
import trimesh
from PIL import Image

from maquette.errors import ConfigError, RunError
from maquette.files import sole_writer
from maquette.runs.exporting import chosen_exporters, export_run, formats
from maquette.stages.finished import newest_scene
from maquette.training.manifest import read_manifest


def test_other_settings_make_other_files_in_a_folder_of_their_own(finished):
    before = {path.name: path.read_bytes() for path in finished.export.iterdir()}
    exported = export_run(finished, ["contact-sheet.size=40", "mesh.resolution=20", "mesh.max_faces=2000"])
    assert exported.folder == finished.path / "export-1" and (exported.stage, exported.step) == ("nerf", 2)
    assert {path.name: path.read_bytes() for path in finished.export.iterdir()} == before
    fine, coarse = (trimesh.load(folder / "mesh.glb", force="mesh") for folder in (exported.folder, finished.export))
    assert len(fine.faces) > 1.5 * len(coarse.faces)
    sheets = [Image.open(folder / "sheet.png").width for folder in (exported.folder, finished.export)]
    assert sheets[0] - sheets[1] == 4 * (40 - 24)
    assert {path.name for path in finished.path.glob("export*")} == {"export", "export-1"}
    assert not list(finished.path.glob(".export*"))


def test_the_same_settings_make_the_same_mesh(finished):
    exported = export_run(finished, exporters=["mesh"])
    assert [file.name for file in exported.files] == ["mesh.glb"]
    assert exported.files[0].read_bytes() == (finished.export / "mesh.glb").read_bytes()


def test_the_manifest_records_each_export_and_keeps_what_the_run_wrote(finished):
    before = read_manifest(finished.manifest)
    for number in (1, 2):
        assert (
            export_run(finished, exporters=["ply"] if number == 1 else ["obj", "glb"]).folder.name == f"export-{number}"
        )
    after = read_manifest(finished.manifest)
    first, second = after.pop("exports")
    assert after == before
    assert first["exporters"]["mesh"]["formats"] == ["ply"] and first["files"] == ["mesh.ply"]
    assert second["exporters"]["mesh"]["formats"] == ["obj", "glb"] and second["step"] == 2


def test_overwriting_replaces_files_of_the_same_name_and_writes_the_report_anew(finished):
    (finished.export / "mine.txt").write_text("kept")
    report = finished.report.read_text()
    exported = export_run(finished, ["contact-sheet.size=40"], ["contact-sheet"], overwrite=True)
    assert exported.folder == finished.export and (finished.export / "mine.txt").read_text() == "kept"
    assert Image.open(finished.export / "sheet.png").width > Image.open(finished.export / "sheet.png").height
    assert finished.report.read_text() != report
    notes = json.loads((finished.export / "pictures.json").read_text())
    assert notes == {"sheet.png": "scene"} and (finished.export / "mesh.glb").is_file()


def test_a_stopped_run_is_exported_from_its_last_checkpoint(stopped):
    saved = newest_scene(stopped)
    assert (saved.stage, saved.step, saved.finished) == ("nerf", 1, False)
    assert export_run(stopped, exporters=["contact-sheet"]).step == 1


def test_the_newest_scene_is_that_of_the_checkpoint(finished):
    from safetensors.torch import load_file

    state = load_file(finished.checkpoints / "nerf" / "step-00000002" / "model.safetensors")
    scene = newest_scene(finished).scene
    assert all(torch.equal(value, state[f"scene.{key}"]) for key, value in scene.state_dict().items())


@pytest.mark.parametrize("left", ["finished", "stopped"])
def test_without_checkpoints_there_is_nothing_to_export(left, request):
    run = request.getfixturevalue(left)
    shutil.rmtree(run.checkpoints)
    problem = "the checkpoints of stage 'nerf' are gone" if left == "finished" else "no stage of .* has saved a scene"
    with pytest.raises(RunError, match=problem):
        export_run(run)


@pytest.mark.parametrize(
    ("words", "exporters", "message"),
    [
        (["mesh.resolutoin=9"], [], r"mesh.resolutoin: unknown key .*; did you mean 'resolution'\? known here: reso"),
        (["points.count=9"], [], r"points.count: there is nothing of this name here; .*possible: mesh.resolution, "),
        (["mesh.resolution=1"], [], r"mesh.resolution: .*8"),
        ([], ["mash"], r"exporter: there is no exporter or format 'mash'; did you mean 'mesh'\? known: .*glb, .*obj"),
        (["~mesh", "~contact-sheet"], [], "nothing is left to export"),
        (["mesh"], [], "not an override"),
    ],
)  # fmt: skip
def test_what_is_possible_is_said(words, exporters, message, finished):
    with pytest.raises(ConfigError, match=message):
        export_run(finished, words, exporters)
    assert not (finished.path / "export-1").exists()


def test_a_format_stands_for_the_exporter_that_writes_it(finished):
    assert formats("mesh") == ("glb", "obj", "ply", "usdz") and formats("points") == ()
    chosen = chosen_exporters(finished, exporters=["ply", "splat", "glb"])  # ply: of the mesh, which the run exports
    assert {name: one.config.formats for name, one in chosen.items()} == {"mesh": ("ply", "glb"), "splats": ("splat",)}


def test_a_format_of_several_exporters_that_the_run_does_not_use_is_asked_for(finished):
    finished.config.write_text(finished.config.read_text().partition("  export:")[0])
    message = r"ply is a format of mesh and of splats; give one of them, and mesh.formats=\[ply"
    with pytest.raises(ConfigError, match=message):
        chosen_exporters(finished, exporters=["ply"])


def test_a_run_that_is_being_written_is_left_alone(finished):
    with sole_writer(finished.path, "run"), pytest.raises(RunError, match="this run is being written by process"):
        export_run(finished)
    assert not (finished.path / "export-1").exists()
