"""What a plugin's part needs of a machine is said before it runs, and refused where it is not there."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from fake_plugins import LOSS, MANIFEST, install, part
from maquette import plugins
from maquette.cli.app import app
from maquette.config import load_method
from maquette.errors import ConfigError
from maquette.kernels.cores import memory_gb
from maquette.kernels.devices import gpu_memory_gb
from maquette.pipeline import check_needs
from maquette.plugins.needs import missing_here, needs_words
from maquette.registry import Needs

RUN = ["dreamfusion", "prompt=x", "stages.nerf.losses.brightness={}"]


def installed(site, needs: str) -> None:
    manifest = MANIFEST + part("loss", "brightness", "acme.brightness:Brightness") + needs
    install(site, "acme", manifest, {"brightness.py": LOSS})
    plugins.reload()


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


def test_a_part_whose_gpu_is_not_there_is_refused_before_anything_loads(site, no_gpu):
    installed(site, "gpu_memory_gb = 16\n")
    with pytest.raises(ConfigError) as problem:
        check_needs(load_method(RUN[0], RUN[1:]))
    message = str(problem.value)
    assert "stages.nerf.losses.brightness.type: loss 'brightness' of plugin acme 1.0 needs a GPU with 16 GB" in message
    assert "there is none here" in message and "\n" not in message
    result = CliRunner().invoke(app, ["run", *RUN])
    assert result.exit_code == 2 and "needs a GPU with 16 GB, and there is none here" in result.output


def test_memory_and_weights_that_are_not_there_are_named(site):
    assert missing_here(Needs(memory_gb=1e9)).startswith("1e+09 GB of memory, and there are ")
    assert missing_here(Needs(weights=("acme-tiny",))) == "the weights acme-tiny, which no plugin carries"
    assert missing_here(Needs(memory_gb=0.1, weights=("acme/tiny@v1", "nano-text"))) == ""


def test_the_memory_of_a_container_counts(tmp_path):
    whole = memory_gb(tmp_path)
    (tmp_path / "memory.max").write_text("2000000000\n")
    assert memory_gb(tmp_path) == 2.0 < whole
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_gb(tmp_path) == whole and gpu_memory_gb() >= 0


def test_list_plan_and_doctor_say_what_a_part_needs(site, no_gpu):
    installed(site, 'needs = ["gpu", "weights"]\nmemory_gb = 4\nweights = ["acme/tiny"]\n')
    words = needs_words(Needs(gpu=True, memory_gb=4, weights=("acme/tiny",)))
    assert words == "needs a GPU, 4 GB of memory, weights acme/tiny"
    run = CliRunner().invoke
    rows = json.loads(run(app, ["list", "losses", "--json"]).output)["loss"]
    assert [row["needs"] for row in rows if row["name"] == "brightness"] == [words]
    facts = json.loads(run(app, ["plan", *RUN, "--json"]).output)
    assert facts["needs"] == {"loss/brightness": words}
    assert facts["missing"] == {"loss/brightness": "a GPU, and there is none here"}
    doctor = " ".join(run(app, ["doctor"]).output.split())
    assert "loss/brightness a GPU, 4 GB of memory, weights no: a GPU, and there is none" in doctor
