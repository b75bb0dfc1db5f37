"""Weights of networks of Deep3D: those that learners here save, and the original's."""

from __future__ import annotations

from pathlib import Path

from maquette.errors import ConfigError
from maquette.perception.network_folder import filled_network, read_network
from maquette.stereo.mxnet_files import is_mxnet, read_original
from maquette.stereo.network import Architecture, MultiScaleNetwork, Purpose
from maquette.weights.loading import weights_source


def load_stereo_network(path: str, purpose: Purpose, key: str = "weights") -> MultiScaleNetwork:
    """A network in float32, frozen.

    Args:
        path: the name of weights that a plugin carries, a folder that a learner saved, or a `.params` file of MXNet
            with the weights of the original Deep3D.
        purpose: what its maps must be.
        key: config key, for messages.

    Raises:
        ConfigError: it cannot be loaded, is for another purpose, or tensors are missing, unexpected or of another
            shape; naming them.
    """
    source = Path(weights_source(path))
    if source.is_file() and is_mxnet(source):
        architecture, tensors = Architecture(), read_original(source, key)
    else:
        architecture, tensors = read_network(Architecture, path, "stereo network", "stereo", key)
    if architecture.purpose != purpose:
        raise ConfigError(
            f"{path!r} is a network for {architecture.purpose}, and {purpose} is needed", key=key,
            hint="give the weights of the learner for it: stereo, stereo-direct or stereo-depth",
        )  # fmt: skip
    return filled_network(MultiScaleNetwork, architecture, tensors, f"a stereo network from {path!r}", key)
