"""Weights of a reconstructor: their sizes travel with them, and what does not fit is refused by name."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from maquette.cameras.base import orbit_cameras
from maquette.errors import ConfigError
from maquette.perception.network_folder import CONFIG, WEIGHTS
from maquette.perception.reconstructor import Architecture, Reconstructor

TINY = Architecture(0.84, 8, 16, (8, 8, 8), 4, (8, 8), (1, 1), 8)


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    Reconstructor(TINY).save(tmp_path / "weights")
    return tmp_path / "weights"


def test_sizes_travel_with_the_weights(folder):
    network = Reconstructor.load(str(folder))
    assert network.architecture == TINY and not any(p.requires_grad for p in network.parameters())
    one = torch.ones(3)
    cameras = orbit_cameras(120 * torch.arange(3.0), 10 * one, 3.2 * one, 35 * one, 16)
    assert network(torch.rand(1, 3, 16, 16, 3), cameras).shape == (1, 8, 8, 8)


def test_a_folder_without_a_reconstructor_is_refused_with_the_names_of_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"no config\.json") as refusal:
        Reconstructor.load(str(tmp_path), "start.weights")
    assert refusal.value.key == "start.weights" and "plugin" in refusal.value.hint


def test_a_missing_tensor_is_named(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors.pop("unet.leave.bias")
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ConfigError, match=r"1 missing \(unet\.leave\.bias\)"):
        Reconstructor.load(str(folder))


def test_a_tensor_of_another_shape_is_named(folder):
    sizes = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**sizes, "context": 16}))
    with pytest.raises(ConfigError, match="of another shape"):
        Reconstructor.load(str(folder))


def test_sizes_that_are_none_are_refused(folder):
    sizes = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**sizes, "resolution": 12, "widths": [8, 8, 8], "blocks": [1, 1, 1]}))
    with pytest.raises(ConfigError, match="resolution that 8 divides"):
        Reconstructor.load(str(folder))


def test_not_a_number_in_a_tensor_is_refused(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["unet.leave.bias"][0] = float("nan")
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ConfigError, match=r"unet\.leave\.bias"):
        Reconstructor.load(str(folder))
