"""Checkpoints survive crashes and full disks, and restore every state."""

import random

import numpy as np
import pytest
import torch

from maquette.errors import RunError
from maquette.training.checkpoints import CheckpointStore


def model_and_optimizer() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return model, optimizer


def test_everything_comes_back(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(7, model, optimizer, {"skipped": 2})
    expected = (random.random(), np.random.rand(), torch.rand(1))
    other, fresh = model_and_optimizer()
    with torch.no_grad():
        other.weight.zero_()
    extra = store.latest().load(other, fresh)
    assert extra == {"skipped": 2}
    assert torch.equal(other.weight, model.weight)
    assert torch.equal(fresh.state[other.weight]["exp_avg"], optimizer.state[model.weight]["exp_avg"])
    assert (random.random(), np.random.rand()) == expected[:2] and torch.equal(torch.rand(1), expected[2])


def test_a_full_disk_keeps_the_last_good_one(tmp_path, monkeypatch):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path, keep=1)
    store.save(1, model, optimizer, {})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("maquette.training.checkpoints.save_file", full)
    with pytest.raises(RunError, match=r"No space left on device; the last good one is .*step-00000001"):
        store.save(2, model, optimizer, {})
    assert [c.step for c in CheckpointStore(tmp_path, keep=1).all()] == [1]
    assert not list(tmp_path.glob(".tmp-*"))


def test_only_so_many_are_kept(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path, keep=2)
    for step in (1, 2, 3):
        store.save(step, model, optimizer, {})
    assert [c.step for c in store.all()] == [2, 3]


def test_half_written_ones_are_swept_away(tmp_path):
    (tmp_path / ".tmp-00000005").mkdir(parents=True)
    assert CheckpointStore(tmp_path).latest() is None
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_is_named(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(1, model, optimizer, {})
    (tmp_path / "step-00000001" / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"cannot read .*model.safetensors"):
        store.latest().load(model, optimizer)


def test_another_shape_of_model_is_refused(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(1, model, optimizer, {})
    with pytest.raises(RunError, match="does not fit this config"):
        store.latest().load(torch.nn.Sequential(torch.nn.Linear(3, 2)), None)
