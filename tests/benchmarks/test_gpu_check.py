"""The check of a card: on a CPU with tiny shapes it runs, keeps what it finds, and survives what fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gpu_check
import pytest
import torch
from gpu_blocks import models
from gpu_blocks.record import Block, Findings, Record, Setting

SCRIPT = Path(gpu_check.__file__)
CPU = torch.device("cpu")
PARAMETERS = {"SD15": 859_520_964, "SDXL": 2_567_463_684}  # of the published UNets
AUTOENCODER = 83_653_863


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(CPU, True, tmp_path)


def fails(setting: Setting, findings: Findings) -> None:
    findings.note("before", 1)
    raise RuntimeError("no kernel image")


def misses(setting: Setting, findings: Findings) -> None:
    findings.agree("error", 0.5, at_most=0.1)
    findings.fast("steps per second", 1.0, at_least=20.0)


def passes(setting: Setting, findings: Findings) -> None:
    findings.agree("error", 0.05, at_most=0.1)


def kept(record: Record) -> dict:
    return json.loads(record.path.read_text())["blocks"]


def test_a_block_that_fails_leaves_the_rest_and_what_it_had_found(setting, tmp_path):
    record = Record(tmp_path / "record.json", setting, 60, again=False)
    record.run(Block("bad", 1, fails))
    assert kept(record)["bad"]["figures"] == {"before": 1}
    record.run(Block("good", 1, passes))
    assert "no kernel image" in kept(record)["bad"]["error"] and kept(record)["good"]["bars"][0]["ok"]
    assert record.close() == 1


def test_bars_of_speed_are_not_judged_on_a_cpu(setting, tmp_path):
    record = Record(tmp_path / "record.json", setting, 60, again=False)
    record.run(Block("slow", 1, misses))
    assert [bar["ok"] for bar in kept(record)["slow"]["bars"]] == [False, None]
    assert record.close() == 1


def test_a_block_that_would_not_end_in_time_is_not_begun(tmp_path):
    record = Record(tmp_path / "record.json", Setting(CPU, False, tmp_path), 30, again=False)
    record.run(Block("long", 100, fails))
    assert "skipped" in kept(record)["long"]
    assert record.close() == 0


def test_a_process_that_takes_over_keeps_what_was_found(setting, tmp_path):
    Record(tmp_path / "record.json", setting, 60, again=False).run(Block("first", 1, passes))
    record = Record(tmp_path / "record.json", setting, 60, again=True)
    record.run(Block("second", 1, passes))
    assert list(kept(record)) == ["first", "second"]


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_shapes_are_the_published_ones(name):
    more = {"SD15": {"sample_size": 64}, "SDXL": {"sample_size": 128}}[name]
    with torch.device("meta"):
        network = models.unet(getattr(models, name), False, **more)
    assert sum(p.numel() for p in network.parameters()) == PARAMETERS[name]


def test_the_autoencoder_is_the_published_one():
    with torch.device("meta"):
        network = models.autoencoder(False)
    assert sum(p.numel() for p in network.parameters()) == AUTOENCODER


def words(tmp_path: Path, *blocks: str) -> list[str]:
    """The command that runs these blocks, and writes `record.json`."""
    options = ["--shapes", "tiny", "--device", "cpu", "--json", str(tmp_path / "record.json")]
    return [str(SCRIPT), *options, "--folder", str(tmp_path), "--blocks", *blocks]


def test_the_script_measures_a_step(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", words(tmp_path, "sds", "memory"))
    assert gpu_check.main() == 0
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["shapes"] == "tiny" and record["versions"]["torch"] and record["machine"]["processor"]
    assert record["blocks"]["sds"]["figures"]["step"]["steps_per_second"] > 0
    assert "sds" in record["blocks"]["memory"]["figures"]


@pytest.mark.slow
def test_every_block_runs(tmp_path):
    names = [block.name for block in gpu_check.BLOCKS]
    subprocess.run([sys.executable, *words(tmp_path, *names)], check=True)
    blocks = json.loads((tmp_path / "record.json").read_text())["blocks"]
    assert list(blocks) == names and not any("error" in block for block in blocks.values())
