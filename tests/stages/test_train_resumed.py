"""`maquette train novel-view`, ended at any moment, resumes to the bits of a training that nothing ended."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

from maquette.config.loading import load_method
from maquette.pipeline import run_method
from mesh_folder import write_meshes


class PowerCut(Exception):
    """The process ends here."""


class Cut:
    """Ends a run after some steps."""

    def __init__(self, after):
        self.after = after

    def between_steps(self, interlude):
        if interlude.done == self.after:
            raise PowerCut

    def record(self):
        return []


@pytest.fixture(scope="module")
def meshes(tmp_path_factory):
    return write_meshes(tmp_path_factory.mktemp("meshes") / "boxes")


@pytest.fixture
def words(meshes, tiny_pixel_model, tiny_clip):
    return [
        f"dataset={meshes}", f"prior={tiny_pixel_model}",
        *(f"stages.views.{word}" for word in (
            f"learner.image_encoder={tiny_clip}", "learner.sample_steps=1", "learner.evaluated=2", "steps=5", "batch=2",
            "dataset.size=16", "dataset.views=3", "dataset.workers=1", "loop.checkpoint_every=1", "loop.log_every=1",
            "loop.preview_every=0", "loop.keep_checkpoints=2", "learner.modulated=true", "loop.optimiser=muon",
        )),
    ]  # fmt: skip


def weights(run):
    """All tensors of the trained model, and the figures."""
    folder = run / "export" / "views"
    tensors = {
        f"{path.parent.name}/{name}": tensor for path in folder.rglob("*.safetensors")
        for name, tensor in load_file(path).items()
    }  # fmt: skip
    return tensors, (run / "export" / "views.json").read_text()


def assert_equal(one, other):
    (ours, figures), (theirs, other_figures) = weights(one), weights(other)
    assert ours.keys() == theirs.keys() and all(ours[name].equal(theirs[name]) for name in ours)
    assert figures == other_figures


@pytest.mark.parametrize("after", [0, 3])
def test_a_training_that_is_cut_between_steps_resumes_to_equal_bits(after, words, tmp_path):
    whole = run_method(load_method("novel-view", [*words, f"output={tmp_path / 'whole'}"], "training"))
    resolved = load_method("novel-view", [*words, f"output={tmp_path / 'cut'}"], "training")
    with pytest.raises(PowerCut):
        run_method(resolved, observer=Cut(after))
    (folder,) = (tmp_path / "cut").glob("*/*/*/")
    assert_equal(run_method(resolved, resume=folder), whole)


@pytest.mark.slow
def test_a_training_that_is_killed_while_it_renders_and_while_it_steps_resumes_to_equal_bits(words, tmp_path):
    def process(*command, cache):
        environment = {**os.environ, "MAQUETTE_CACHE": str(tmp_path / cache)}
        return subprocess.Popen([sys.executable, "-m", "maquette", *map(str, command)], env=environment)

    def kill_when(happened, *command):
        running = process(*command, cache="cut-cache")
        while not happened() and running.poll() is None:
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL

    whole = process("train", "novel-view", *words, f"output={tmp_path / 'whole'}", cache="whole-cache")
    assert whole.wait() == 0
    begin = ("train", "novel-view", *words, f"output={tmp_path / 'cut'}")
    kill_when(lambda: any((tmp_path / "cut-cache").rglob("mesh-pairs/*/*.safetensors")), *begin)
    rendered = len(list((tmp_path / "cut-cache").rglob("mesh-pairs/*/*.safetensors")))
    assert 1 <= rendered <= 4
    shutil.rmtree(tmp_path / "cut")
    kill_when(lambda: any((tmp_path / "cut").rglob("step-00000002")), *begin)
    (folder,) = (tmp_path / "cut").glob("*/*/*/")
    assert process("resume", folder, cache="cut-cache").wait() == 0
    (unbroken,) = (tmp_path / "whole").glob("*/*/*/")
    assert_equal(folder, unbroken)
