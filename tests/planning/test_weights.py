"""Where the weights that a method names are, and how large; no server is asked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from maquette.config import load_method
from maquette.planning.weights import count_parameters, weights_of


def test_parameters_are_those_of_the_loaded_networks(tiny_pixel_model: Path):
    from maquette.priors.inspection import inspect_prior

    assert count_parameters(tiny_pixel_model) == inspect_prior(str(tiny_pixel_model)).facts["parameters"]


def test_a_plugin_s_weights_are_found_by_their_name():
    (use,) = weights_of(load_method("dreamfusion", ["prompt=a mug", "prior=nano"]).method)
    assert (use.path, use.place, use.to_download) == ("nano-text", "plugin", False) and use.size_mb > 1


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a server was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_weights_of_the_hub_are_of_unknown_size_and_no_server_is_asked(no_network, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    uses = weights_of(load_method("dreamfusion", ["prompt=a mug", "prior=sd15"]).method)
    assert [(use.place, use.parameters, use.size_mb) for use in uses] == [("hub", None, None)]


def test_weights_in_the_cache_of_the_hub_need_no_download(tmp_path, monkeypatch, tiny_pixel_model):
    import shutil

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name = "models--stable-diffusion-v1-5--stable-diffusion-v1-5"
    shutil.copytree(tiny_pixel_model, tmp_path / name / "snapshots" / "abc")
    (use,) = weights_of(load_method("dreamfusion", ["prompt=a mug", "prior=sd15"]).method)
    assert use.place == "hub cache" and use.parameters == count_parameters(tiny_pixel_model)
