"""Networks of ours as folders: what is saved is loaded, in float32, frozen, channels last."""

import json
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from maquette.errors import ConfigError
from maquette.perception.network_folder import CONFIG, load_network, save_network


@dataclass(frozen=True)
class Sizes:
    width: int = 4


class Net(nn.Module):
    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, sizes.width, 3)


def load(path: str) -> Net:
    return load_network(Net, Sizes, path, "small net", "nets", "start.weights")


def test_a_saved_network_is_loaded_frozen_and_channels_last(tmp_path):
    saved = Net(Sizes(8))
    save_network(saved, Sizes(8), tmp_path)
    loaded = load(str(tmp_path))
    assert json.loads((tmp_path / CONFIG).read_text()) == {"width": 8}
    weight = loaded.convolution.weight
    torch.testing.assert_close(weight, saved.convolution.weight.half().float())
    assert not weight.requires_grad and weight.is_contiguous(memory_format=torch.channels_last)


def test_sizes_of_another_network_are_refused_with_the_file_and_the_key(tmp_path):
    save_network(Net(Sizes()), Sizes(), tmp_path)
    (tmp_path / CONFIG).write_text('{"height": 3}')
    with pytest.raises(ConfigError, match=r"describes no small net: height") as refusal:
        load(str(tmp_path))
    assert refusal.value.key == "start.weights" and "nets" in refusal.value.hint
