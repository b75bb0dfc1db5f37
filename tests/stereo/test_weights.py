"""Weights of stereo networks: what a learner saved comes back, MXNet's files are read, and others are refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from deep3d_shapes import SMALL, original_shapes
from maquette.errors import ConfigError
from maquette.perception.network_folder import CONFIG, save_network
from maquette.stereo.mxnet_files import is_mxnet, read_mxnet, read_original
from maquette.stereo.network import Architecture, MultiScaleNetwork
from maquette.stereo.weights import load_stereo_network

TYPES = {np.dtype(np.float32): 0, np.dtype(np.float64): 1, np.dtype(np.float16): 2, np.dtype(np.int64): 6}


def mxnet_bytes(arrays: dict[str, np.ndarray], version: int) -> bytes:
    """A parameter file as MXNet writes it: version 0 in 2015, 1 in 2016, 2 since 2017, 3 with NumPy's shapes."""
    parts = [struct.pack("<QQQ", 0x112, 0, len(arrays))]
    for array in arrays.values():
        if version >= 2:
            parts.append(struct.pack("<Ii", {2: 0xF993FAC9, 3: 0xF993FACA}[version], 0))
        if version == 1:
            parts.append(struct.pack("<I", 0xF993FAC8))
        parts.append(struct.pack(f"<I{array.ndim}{'q' if version else 'I'}", array.ndim, *array.shape))
        parts.append(struct.pack("<iii", 1, 0, TYPES[array.dtype]) + array.tobytes())
    parts.append(struct.pack("<Q", len(arrays)))
    for name in arrays:
        parts.append(struct.pack("<Q", len(name)) + name.encode())
    return b"".join(parts)


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_mxnet_files_of_all_versions_are_read(tmp_path: Path, version):
    arrays = {
        "arg:a_weight": np.arange(6, dtype=np.float32).reshape(1, 2, 3), "aux:b": np.array([1.5, -2.0]),
        "arg:c": np.ones((2, 1), np.float16), "arg:d": np.array([7]),
    }  # fmt: skip
    path = tmp_path / "model.params"
    path.write_bytes(mxnet_bytes(arrays, version))
    assert is_mxnet(path)
    tensors = read_mxnet(path)
    assert list(tensors) == list(arrays)
    assert all(np.array_equal(tensors[name].numpy(), array) for name, array in arrays.items())


@pytest.mark.parametrize("cut", [4, 20, 40, 70, -1])
def test_a_cut_mxnet_file_is_refused_in_one_line(tmp_path: Path, cut):
    path = tmp_path / "model.params"
    path.write_bytes(mxnet_bytes({"arg:a": np.zeros((3, 3), np.float32)}, 2)[:cut])
    with pytest.raises(ConfigError, match=r"cannot read .* as a parameter file of MXNet") as refusal:
        read_mxnet(path)
    assert "\n" not in str(refusal.value)


def mxnet_name(name: str) -> str:
    """Our name of a parameter of batch normalisation or of another layer in MXNet."""
    layer, _, ending = name.rpartition(".")
    if layer.startswith("bn_"):
        ending = {"weight": "gamma", "bias": "beta"}[ending]
    return f"arg:{layer}_{ending}"


def test_the_original_is_read_with_its_colours_turned_round(tmp_path: Path, monkeypatch):
    small = {name: tuple(min(side, 3) for side in shape) for name, shape in original_shapes().items()}
    keyed = np.random.default_rng(0)
    arrays = {mxnet_name(name): keyed.normal(size=shape).astype(np.float32) for name, shape in small.items()}
    for number in range(1, 5):
        arrays[f"aux:bn_pool{number}_moving_mean"] = np.full(3, 0.5, np.float32)
        arrays[f"aux:bn_pool{number}_moving_inv_var"] = np.full(3, 2.0, np.float32)
    path = tmp_path / "deep3d.params"
    path.write_bytes(mxnet_bytes(arrays, 0))
    state = read_original(path)
    with torch.device("meta"):
        assert state.keys() == MultiScaleNetwork(Architecture()).state_dict().keys()
    blue_first = arrays["arg:conv1_1_weight"]
    assert np.array_equal(state["conv1_1.weight"].numpy(), blue_first[:, ::-1])
    assert state["bn_pool2.running_var"].tolist() == [2.0] * 3


def test_what_a_learner_saved_comes_back(tmp_path: Path):
    network = MultiScaleNetwork(SMALL).eval()
    network.initialise()
    save_network(network, network.architecture, tmp_path / "saved")
    loaded = load_stereo_network(str(tmp_path / "saved"), "selection")
    rgb = torch.rand(1, 32, 64, 3)
    torch.testing.assert_close(loaded(rgb), network(rgb), rtol=0.02, atol=0.02)
    assert loaded.architecture == SMALL


def test_a_network_for_another_purpose_is_refused(tmp_path: Path):
    save_network(MultiScaleNetwork(SMALL), SMALL, tmp_path / "saved")
    with pytest.raises(ConfigError, match="is a network for selection, and depth is needed"):
        load_stereo_network(str(tmp_path / "saved"), "depth")


def test_a_folder_without_a_network_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no config\.json"):
        load_stereo_network(str(tmp_path), "selection")
    (tmp_path / CONFIG).write_text('{"shifts": 0}')
    with pytest.raises(ConfigError, match="describes no stereo network: shifts"):
        load_stereo_network(str(tmp_path), "selection")
