"""Files of tensors are read; whatever else a pickle would do is not done."""

import os
import pickle
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from maquette.errors import ConfigError
from maquette.weights.tensor_files import read_tensors

TENSORS = {"a": torch.arange(3.0), "b": torch.ones(2, 2).half()}


def same(found: dict) -> bool:
    return found.keys() == TENSORS.keys() and all(torch.equal(found[name], TENSORS[name]) for name in TENSORS)


class Runs:
    """What a pickle of this does where it is loaded: call a function."""

    def __init__(self, function, *args) -> None:
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_pickles_of_tensors_are_read(tmp_path, nested, zipped):
    content = {"epoch": 3, "state_dict": TENSORS} if nested else TENSORS
    torch.save(content, tmp_path / "model.ckpt", _use_new_zipfile_serialization=zipped)
    assert same(read_tensors(tmp_path / "model.ckpt"))


def test_safetensors_are_read(tmp_path):
    save_file(TENSORS, tmp_path / "model.safetensors")
    assert same(read_tensors(tmp_path / "model.safetensors"))


def test_what_lightning_adds_is_passed_over(tmp_path, monkeypatch):
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")
    callback = type("ModelCheckpoint", (), {"__module__": module.__name__})
    module.ModelCheckpoint = callback
    added = {"callbacks": {callback: {"best_model_score": np.float64(0.5)}}, "hyper_parameters": [callback()]}
    with monkeypatch.context() as patch:
        for name in ("pytorch_lightning", "pytorch_lightning.callbacks", module.__name__):
            patch.setitem(sys.modules, name, module)
        torch.save({"state_dict": TENSORS, **added}, tmp_path / "model.ckpt")
    monkeypatch.setitem(sys.modules, module.__name__, None)  # to import it would fail
    assert same(read_tensors(tmp_path / "model.ckpt"))


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(("function", "named"), [(os.mkdir, "posix.mkdir|nt.mkdir"), (os.makedirs, "os.makedirs")])
def test_a_pickle_that_runs_something_is_refused(tmp_path, function, named, zipped):
    made = tmp_path / "made"
    content = {"state_dict": TENSORS, "callbacks": Runs(function, str(made))}
    torch.save(content, tmp_path / "model.ckpt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ConfigError, match=rf"model.ckpt holds more than weights: it names ({named}), so nothing"):
        read_tensors(tmp_path / "model.ckpt")
    assert not made.exists()


def test_a_function_of_an_inert_package_does_not_run(tmp_path):
    target = tmp_path / "made.npy"
    torch.save({"state_dict": TENSORS, "extra": Runs(np.save, str(target), np.zeros(1))}, tmp_path / "model.ckpt")
    assert same(read_tensors(tmp_path / "model.ckpt")) and not target.exists()


def test_a_plain_pickle_is_refused(tmp_path):
    (tmp_path / "model.pt").write_bytes(pickle.dumps(Runs(os.mkdir, str(tmp_path / "made"))))
    with pytest.raises(ConfigError, match=r"model.pt"):
        read_tensors(tmp_path / "model.pt")
    assert not (tmp_path / "made").exists()


def test_damaged_files_are_named(tmp_path):
    torch.save(TENSORS, tmp_path / "model.ckpt")
    whole = (tmp_path / "model.ckpt").read_bytes()
    (tmp_path / "model.ckpt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ConfigError, match=r"prior.path: cannot read .*model.ckpt.*; is it complete\?"):
        read_tensors(tmp_path / "model.ckpt", "prior.path")


@pytest.mark.parametrize("content", [{"epoch": 1}, [1, 2], torch.ones(2)])
def test_a_file_without_named_tensors_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.ckpt")
    with pytest.raises(ConfigError, match=r"there are no tensors in .*model.ckpt"):
        read_tensors(Path(tmp_path / "model.ckpt"))
