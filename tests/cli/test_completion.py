"""Completion in a shell, by the protocol that bash and zsh speak with the command."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maquette import registry
from maquette.cli import key_cache
from maquette.cli.app import app
from maquette.config import paths


@pytest.fixture(autouse=True)
def filled(monkeypatch):
    """What a process in the background would fill in is filled in at once where a test asks for it."""
    monkeypatch.setattr(key_cache, "_fill_in_background", lambda method: None)


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of some words."""
    line = " ".join(["maquette", *words])
    environment = {"_MAQUETTE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    result = CliRunner().invoke(app, [], env=environment, prog_name="maquette")
    return result.output.split()


def test_commands_are_completed():
    assert completed("des") == ["describe"]


def test_methods_are_completed():
    assert completed("run", "dreamg") == ["dreamgaussian-image", "dreamgaussian"]


def test_files_are_completed_as_methods(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").touch()
    (tmp_path / "mine.txt").touch()
    assert completed("run", "./mi") == ["./mine.yaml"] and completed("run", "mi") == ["mine.yaml"]


def test_parts_are_completed_kind_first():
    assert "loss/" in completed("describe", "l")
    assert completed("describe", "score/cfg-") == ["score/cfg-rescale", "score/cfg-two"]
    assert completed("describe", "mater") == [f"material/{name}" for name in registry.names("material")]


def test_kinds_are_completed():
    assert completed("list", "met") == ["methods", "metrics"]


def test_before_the_cache_is_filled_the_keys_of_the_files_are_completed():
    assert "stages.nerf.guidance.sds.score.type=cfg" in completed(
        "run", "dreamfusion", "stages.nerf.guidance.sds.score.t"
    )


def test_dotted_keys_are_completed_one_step_at_a_time():
    key_cache.fill("dreamfusion")
    assert completed("run", "dreamfusion", "stages.n") == completed("run", "dreamfusion", "stages.nerf.")
    assert completed("run", "dreamfusion", "stages.nerf.rend") == ["stages.nerf.renderer=", "stages.nerf.renderer."]
    assert completed("run", "dreamfusion", "stages.nerf.loop.keep") == ["stages.nerf.loop.keep_checkpoints=2"]


def test_values_of_choices_parts_and_groups_are_completed():
    key_cache.fill("dreamfusion")
    assert completed("run", "dreamfusion", "prior=sd") == ["prior=sd15", "prior=sd21", "prior=sdxl"]
    assert completed("run", "dreamfusion", "stages.nerf.renderer=") == [
        f"stages.nerf.renderer={name}" for name in registry.names("renderer")
    ]
    assert completed("run", "dreamfusion", "stages.nerf.loop.precision=b") == ["stages.nerf.loop.precision=bf16-mixed"]


def test_bash_splits_words_at_the_equals_sign():
    assert completed("run", "dreamfusion", "prior", "=", "sd") == ["sd15", "sd21", "sdxl"]
    assert completed("run", "dreamfusion", "prior", "=") == list(paths.available("priors"))


def test_keys_to_remove_are_completed():
    assert completed("run", "dreamfusion", "~stages.exp")[0].startswith("~stages.export")


def test_keys_of_a_method_are_completed_for_describe():
    key_cache.fill("dreamfusion")
    assert completed("describe", "dreamfusion", "stages.nerf.cam") == ["stages.nerf.cameras", "stages.nerf.cameras."]


def test_a_method_that_does_not_load_has_no_keys():
    assert completed("run", "no-such-method", "stages.") == []


@pytest.mark.slow
def test_a_completion_imports_no_torch_and_takes_little():
    key_cache.fill("dreamfusion")
    code = (
        "import os, sys; os.environ.update(_MAQUETTE_COMPLETE='complete_bash', COMP_CWORD='3', "
        "COMP_WORDS='maquette run dreamfusion stages.nerf.rend'); sys.argv = ['maquette']\n"
        "from maquette.cli.app import app\n"
        "try:\n    app(prog_name='maquette')\n"
        "except SystemExit:\n    pass\n"
        "print('torch' in sys.modules)"
    )
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.split() == ["stages.nerf.renderer=", "stages.nerf.renderer.", "False"]
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 3  # 0.3 on a free core


@pytest.mark.slow
def test_the_script_for_bash_completes_in_bash(tmp_path: Path):
    command = tmp_path / "maquette"
    main = "from maquette.cli.app import app; app(prog_name='maquette')"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{main}" "$@"\n')
    command.chmod(0o755)
    script = f"""
    export PATH={tmp_path}:$PATH
    eval "$(_MAQUETTE_COMPLETE=source_bash maquette)"
    COMP_WORDS=(maquette run dreamfusion prior = sd); COMP_CWORD=5
    function="$(complete -p maquette | sed -E 's/.*-F ([^ ]+) .*/\\1/')"
    $function maquette
    echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["sd15", "sd21", "sdxl"], done.stderr


def test_a_mistyped_command_names_the_nearest():
    result = CliRunner().invoke(app, ["rnu"])
    assert result.exit_code == 2 and "Did you mean 'run'?" in result.output
