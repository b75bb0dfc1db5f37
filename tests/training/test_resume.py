"""A killed run resumes to the same bits; the same seed gives the same bits; signals leave a checkpoint."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from command_line import logged, run_folder
from maquette.cli.app import app
from maquette.stages.finished import finished_scene
from maquette.training.run_folder import RunFolder
from tiny_run import tiny_words

VSD = "stages.nerf.guidance.sds.objective={type: vsd, rank: 2, learning_rate: 0.01}"
STEPS = ["stages.nerf.steps=20", "stages.nerf.loop.checkpoint_every=5", "stages.nerf.material.lit=0.5"]


def final_state(folder: Path) -> dict[str, torch.Tensor]:
    (last,) = (folder / "checkpoints" / "nerf").glob("step-00000020")
    return {
        f"{name}/{key}": value
        for name in ("model", "optimizer")
        for key, value in load_file(last / f"{name}.safetensors").items()
    }


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def start(words: list[str]) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "maquette", *words], env=os.environ.copy())


def wait_for(pattern: str, folder: Path, process: subprocess.Popen) -> Path:
    """What a running process writes, however long it takes to get there."""
    while not (paths := list(folder.glob(pattern))):
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.02)
    return paths[0]


@pytest.fixture(scope="module")
def words(tiny_pixel_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    tiny = tiny_words(tiny_pixel_model, tmp_path_factory.mktemp("runs"))
    return ["dreamfusion", "prompt=a red mug", *tiny, *STEPS, VSD, "stages.nerf.loop.log_every=1"]


@pytest.fixture(scope="module")
def whole(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    return run_folder("run", *words, f"output={tmp_path_factory.mktemp('whole')}")


def test_a_killed_run_resumes_to_the_same_bits(words, whole, tmp_path):
    process = start(["run", *words, "~stages.export", f"output={tmp_path / 'cut'}"])
    begun = wait_for("*/*/*/checkpoints/nerf/step-00000005", tmp_path / "cut", process)
    process.kill()
    process.wait()
    folder = begun.parents[2]
    assert not (folder / "checkpoints" / "nerf" / "step-00000020").exists()
    run_folder("resume", str(folder))
    assert same(final_state(whole), final_state(folder))
    assert [row["step"] for row in logged(folder)] == list(range(20))


def test_what_trains_beside_the_object_is_in_the_checkpoint_and_a_later_stage_does_without(whole):
    state = final_state(whole)
    beside = [key for key in state if key.startswith("model/auxiliary.sds.")]
    learned = [key for key in beside if key.endswith(".1.weight")]  # B, which begins at 0
    assert learned and all(state[key].abs().max() > 0 for key in learned)
    assert len(list(state)) > 2 * len(beside)  # and the optimiser has moments of them
    scene = finished_scene(RunFolder.open(whole))
    assert all(torch.equal(value, state[f"model/scene.{key}"]) for key, value in scene.state_dict().items())


def test_the_same_seed_gives_the_same_bits_and_another_does_not(words, whole, tmp_path):
    again, other = (
        final_state(run_folder("run", *words, "~stages.export", f"output={tmp_path / name}", f"seed={seed}"))
        for name, seed in (("again", 0), ("other", 4))
    )
    assert same(final_state(whole), again)
    assert not same(final_state(whole), other)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_saves_and_exits_with_128_and_its_number(number, words, tmp_path):
    def terminate() -> None:
        while not any(path.stat().st_size for path in tmp_path.glob("*/*/*/metrics.jsonl")):
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    with ThreadPoolExecutor() as pool:
        pool.submit(terminate)
        ended = CliRunner().invoke(app, ["run", *words, "stages.nerf.steps=100000", f"output={tmp_path}"])
    assert ended.exit_code == 128 + number
    assert ended.output.splitlines()[-1].startswith("stopped; saved: nerf up to step ")
    (metrics,) = tmp_path.glob("*/*/*/metrics.jsonl")
    assert list((metrics.parent / "checkpoints" / "nerf").glob("step-*"))
