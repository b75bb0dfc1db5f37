"""A method with a part in a file beside it: run, looked at, resumed; and what its run records."""

import hashlib
import json
import sys

import pytest
from typer.testing import CliRunner

from command_line import logged, run_folder
from maquette import registry
from maquette.cli.app import app
from maquette.plugins.local import SOURCE
from maquette.testing.scaffold import part_source
from project import examples

LOSS, LOGS = (text.strip("\n") + "\n" for text in examples("local-parts", "python"))
LOGGED = (
    LOSS.replace("return (1 - rendering.rgb).mean()", LOGS.strip())
    .replace("from maquette.registry", "from maquette.objectives.terms import Terms\nfrom maquette.registry")
    .replace("-> Tensor", "-> Terms")
)
(METHOD,) = examples("local-parts", "yaml")


@pytest.fixture
def method(tmp_path):
    (tmp_path / "my_loss.py").write_text(LOSS)
    (tmp_path / "mine.yaml").write_text(METHOD)
    yield tmp_path / "mine.yaml"
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)


def invoke(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def test_a_run_with_a_local_loss(method, tiny_run, tmp_path):
    file = tmp_path / "my_loss.py"
    words = ["prompt=a red mug", *tiny_run, "stages.nerf.loop.log_every=1", "stages.nerf.steps=2", "~stages.export"]
    folder = run_folder("run", str(method), *words)
    digest = hashlib.sha256(LOSS.encode()).hexdigest()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["parts"] == {str(file): digest}
    assert manifest["fingerprint"]["inputs"][str(file)]
    assert "local" not in manifest["fingerprint"]["distributions"]
    assert (folder / "parts" / "my_loss.py").read_text() == LOSS
    assert all("loss/brightness" in row for row in logged(folder) if row["stage"] == "nerf")

    file.write_text(LOGGED)  # resumed, the run refuses what has changed, and takes its copy
    refused = invoke("resume", folder)
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1
    assert "my_loss.py has changed since the run began; give its copy: --parts " in refused.stderr
    assert invoke("resume", folder, "--parts", folder / "parts").exit_code == 0
    assert json.loads((folder / "manifest.json").read_text())["parts"] == {str(file): digest}
    export = ("export", folder, "--exporter", "points", "points.count=10")
    assert "give its copy: --parts " in invoke(*export).stderr
    assert invoke(*export, "--parts", folder / "parts").exit_code == 0

    other = run_folder("run", str(method), *words)  # a new run takes what there is now, and has another fingerprint
    assert [row for row in logged(other) if {"loss/brightness/mean", "brightness/darkest"} <= set(row)]
    fingerprint = json.loads((other / "manifest.json").read_text())["fingerprint"]
    assert fingerprint["digest"] != manifest["fingerprint"]["digest"]


def test_a_local_file_is_given_on_the_command_line(method, tiny_run, tmp_path):
    words = ["prompt=a red mug", *tiny_run, "stages.nerf.steps=1", "stages.nerf.losses.brightness={}", "~stages.export"]
    folder = run_folder("run", "dreamfusion", *words, "--parts", str(tmp_path / "my_loss.py"))
    assert json.loads((folder / "manifest.json").read_text())["parts"] == {
        str(tmp_path / "my_loss.py"): hashlib.sha256(LOSS.encode()).hexdigest()
    }
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)  # as in another process
    before = set(sys.modules)
    looked = invoke("inspect", folder)
    assert looked.exit_code == 0 and "loss 'brightness' is a local part and not looked into" in looked.output
    assert not [name for name in set(sys.modules) - before if name.startswith("local_")]


def test_a_run_is_measured_by_a_metric_in_a_local_file(tiny_run, tmp_path):
    (tmp_path / "size.py").write_text(part_source("size", "metric"))
    folder = run_folder("run", "dreamfusion", "prompt=a red mug", *tiny_run, "stages.nerf.steps=1", "~stages.export")
    words = ("measure", folder, "--metrics", "size")
    assert "there is no metric 'size'" in invoke(*words).stderr
    measured = invoke(*words, "--parts", tmp_path / "size.py")
    assert measured.exit_code == 0 and "size/" in measured.stdout


def test_show_says_that_a_part_is_local_and_imports_nothing(method, tmp_path):
    (tmp_path / "my_loss.py").write_text("raise SystemExit\n" + LOSS)
    shown = invoke("show", method)
    assert shown.exit_code == 0 and "brightness" in shown.stdout
    assert "loss 'brightness' is a local part and not looked into: `maquette run` alone imports it" in shown.stderr
    refused = invoke("run", method, "prompt=x")
    assert refused.exit_code == 1 and refused.stderr.count("\n") == 1
    assert "error: local file " in refused.stderr and "my_loss.py: SystemExit (" in refused.stderr


def test_the_failure_of_a_local_part_within_a_step_is_one_line(method, tiny_run, tmp_path):
    (tmp_path / "my_loss.py").write_text(LOSS.replace("(1 - rendering.rgb).mean()", "rendering.colour"))
    failed = invoke("run", method, "prompt=x", *tiny_run)
    assert failed.exit_code == 1
    line = failed.stderr.splitlines()[-1]
    assert line.startswith("error: loss 'brightness' of local file ") and "AttributeError" in line
    assert "my_loss.py:22); MAQUETTE_DEBUG=1" in line
