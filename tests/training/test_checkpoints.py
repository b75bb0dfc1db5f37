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


def test_a_fused_optimiser_of_channels_last_weights_resumes_to_the_same_bits(tmp_path):
    """The fused AdamW of torch reads moments in the order of the weights' memory, whatever their strides say."""

    def conv() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        model = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return model, torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)

    def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
        optimizer.zero_grad()
        pixels = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(number))
        model(pixels).square().sum().backward()
        optimizer.step()

    whole, cut, resumed = conv(), conv(), conv()
    for number in range(4):
        step(*whole, number)
    for number in range(2):
        step(*cut, number)
    CheckpointStore(tmp_path).save(2, *cut, {})
    CheckpointStore(tmp_path).latest().load(*resumed)
    for number in range(2, 4):
        step(*resumed, number)
    assert torch.equal(resumed[0].weight, whole[0].weight)


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


def test_half_written_ones_are_swept_away_by_the_writer_alone(tmp_path):
    (tmp_path / ".tmp-00000005").mkdir(parents=True)
    store = CheckpointStore(tmp_path)
    assert store.latest() is None and [path.name for path in tmp_path.iterdir()] == [".tmp-00000005"]
    store.save(6, *model_and_optimizer(), {})
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000006"]


def test_a_damaged_file_is_named(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(1, model, optimizer, {})
    (tmp_path / "step-00000001" / "model.safetensors").write_bytes(b"junk")
    with pytest.raises(RunError, match=r"cannot read .*model.safetensors"):
        store.all()[0].load(model, optimizer)
    with pytest.raises(RunError, match=r"no checkpoint in .* is whole; delete the folder"):
        store.latest()


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "random.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "junk"])
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(tmp_path, caplog, file, damage):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    for step in (1, 2):
        store.save(step, model, optimizer, {})
    path = tmp_path / "step-00000002" / file
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if damage == "cut" else b"[1]")
    assert store.latest().step == 1
    assert file in caplog.text and "the checkpoint before it is taken" in caplog.text
    store.save(2, model, optimizer, {})  # in the place of the damaged one
    assert store.latest().step == 2


def test_other_names_among_checkpoints_are_passed_over(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(1, model, optimizer, {})
    for name in ("step-final", "step-00000009.bak", "notes", "step-7"):
        (tmp_path / name).mkdir()
    assert [checkpoint.step for checkpoint in store.all()] == [1]


def test_another_shape_of_model_is_refused(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(1, model, optimizer, {})
    with pytest.raises(RunError, match="does not fit the configuration"):
        store.latest().load(torch.nn.Sequential(torch.nn.Linear(3, 2)), None)


def test_a_tensor_of_another_shape_is_named(tmp_path):
    model, optimizer = model_and_optimizer()
    store = CheckpointStore(tmp_path)
    store.save(1, model, optimizer, {})
    with pytest.raises(RunError, match=r"step-00000001 does not fit the configuration: weight has another shape"):
        store.latest().load(torch.nn.Linear(3, 5, bias=False), None)


def test_moments_of_a_network_in_channels_last_are_restored_in_its_order_of_memory(tmp_path):
    def start() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        network = torch.nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network, torch.optim.AdamW(network.parameters(), 0.1, fused=True)

    def step(network: torch.nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
        optimizer.zero_grad()
        pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(number))
        network(pictures).square().sum().backward()
        optimizer.step()

    whole, cut, resumed = start(), start(), start()
    for number in range(4):
        step(*whole, number)
    for number in range(2):
        step(*cut, number)
    CheckpointStore(tmp_path).save(2, *cut, {}).load(*resumed)
    for number in range(2, 4):
        step(*resumed, number)
    assert torch.equal(whole[0].weight, resumed[0].weight)
