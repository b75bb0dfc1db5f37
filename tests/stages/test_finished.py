"""The account of a run folder: what is done, and whether it can go on."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from command_line import run_folder
from maquette.cli.app import app
from maquette.config.paths import owner
from maquette.errors import PluginError
from maquette.stages.finished import inspect_run, load_run
from maquette.training.manifest import write_manifest
from maquette.training.run_folder import RunFolder

STAGE = {
    "type": "optimise", "steps": 3, "cameras": {"type": "random-orbit", "size": 16},
    "geometry": {"type": "voxel-grid", "resolution": 8}, "material": "plain", "background": "solid",
    "renderer": {"type": "volume", "samples": 8}, "losses": {"opacity": {"weight": 1.0}}, "loop": {"device": "cpu"},
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "method.yaml").write_text(yaml.safe_dump({"prompt": "a mug", "stages": {"one": STAGE}}))
    return run_folder("run", str(folder / "method.yaml"), f"output={folder / 'out'}")


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, which may be changed."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def edit(run: Path, before: str, after: str) -> None:
    text = (run / "config.yaml").read_text()
    assert before in text
    (run / "config.yaml").write_text(text.replace(before, after))


def resume(run: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["resume", str(run)])
    return done.exit_code, done.output


def test_a_finished_run_says_so(run):
    facts = inspect_run(run).facts
    stage = {"name": "one", "type": "optimise", "finished": True, "steps": 3, "saved_step": 3}
    assert facts["stages"] == [stage] and facts["resumable"] and facts["reason"] == "all stages are finished"
    code, output = resume(run)
    assert code == 0 and "all stages of this run are finished" in output


def test_a_finished_run_that_is_asked_for_more_steps_goes_on(run):
    edit(run, "steps: 3", "steps: 5")
    code, output = resume(run)
    assert code == 0 and "stages.one.steps: 3 -> 5" in output
    assert inspect_run(run).facts["stages"][0]["saved_step"] == 5


def test_an_edit_that_does_not_fit_is_the_reason_why_a_run_cannot_go_on(run):
    edit(run, "resolution: 8", "resolution: 9")
    facts = inspect_run(run).facts
    assert not facts["resumable"] and "stages.one.geometry.resolution: 9 does not fit" in facts["reason"]
    code, output = resume(run)
    assert code == 2 and "checkpoints/one" in output and "put back 8" in output


@pytest.mark.parametrize("text", ['{"finish', "[1]", "{}"])
def test_a_broken_state_is_named_with_the_remedy(run, text):
    (run / "state.json").write_text(text)
    assert "state.json" in inspect_run(run).facts["reason"]
    code, output = resume(run)
    assert code == 1 and "state.json" in output and "delete this file" in output
    (run / "state.json").unlink()
    assert resume(run)[0] == 0
    assert json.loads((run / "state.json").read_text())["finished"] == ["one"]


def test_a_broken_manifest_is_written_anew(run):
    (run / "manifest.json").write_text('{"met')
    assert inspect_run(run).warnings
    assert resume(run)[0] == 0
    assert json.loads((run / "manifest.json").read_text())["method"] == "method"


@pytest.mark.parametrize("own", [True, False])
def test_a_local_file_of_anothers_run_is_not_imported(own, tmp_path):
    run, witness = RunFolder.create(str(tmp_path), "mine", "mug", ""), tmp_path / "witness"
    run.parts.mkdir()
    (run.parts / "my_loss.py").write_text(f"open({str(witness)!r}, 'w').close()")
    run.config.write_text("plugins: [parts/my_loss.py]\nstages: {export: {type: export}}")
    write_manifest(run.manifest, owner=owner() if own else "another", parts={})
    with contextlib.suppress(PluginError):  # imported, the file has no part
        load_run(run)
    assert witness.exists() == own
