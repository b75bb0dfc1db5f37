"""Networks of ours as folders: sizes in `config.json`, weights in half precision in `model.safetensors`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import torch
from torch import nn

from maquette.config.parts import check, plain
from maquette.errors import ConfigError
from maquette.files import write_atomically
from maquette.weights.loading import carried_weights, load_tensors, weights_source
from maquette.weights.raw_files import read_json
from maquette.weights.tensor_files import read_tensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"  # files of a folder of weights

Network = TypeVar("Network", bound=nn.Module)
Sizes = TypeVar("Sizes")


class SavedNetwork(nn.Module):
    """A network that a learner saves as a folder and whose weights others load, with its sizes as `architecture`.

    Attributes:
        sizes: dataclass of its sizes.
        title: what it is, for messages.
        learner: name of the learner that saves it, for messages.
        unhalved: beginnings of names of tensors that are saved in their own precision; the others are halved.
    """

    sizes: ClassVar[type]
    title: ClassVar[str]
    learner: ClassVar[str]
    unhalved: ClassVar[tuple[str, ...]] = ()
    architecture: Any

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors`."""
        save_network(self, self.architecture, folder, self.unhalved)

    @classmethod
    def load(cls, path: str, key: str = "weights") -> Self:
        """Load weights that the learner saved, in float32, frozen.

        Args:
            path: the name of weights that a plugin carries, or a folder.
            key: config key, for messages.

        Raises:
            ConfigError: it cannot be loaded, or tensors are missing, unexpected or of another shape; naming them.
        """
        return load_network(cls, cls.sizes, path, cls.title, cls.learner, key)

    def set_memory_format(self) -> Self:
        """Convert the convolutions to channels last, which is faster on a CPU."""
        return channels_last(self)


def save_network(network: nn.Module, architecture: Any, folder: Path, unhalved: tuple[str, ...] = ()) -> None:
    """Write `config.json`, the fields of the architecture, and `model.safetensors` in half precision.

    Args:
        network: what is saved.
        architecture: dataclass of its sizes.
        folder: is made if it is missing.
        unhalved: beginnings of names of tensors that are saved in their own precision.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    state = {
        name: (value.half() if value.is_floating_point() and not name.startswith(unhalved) else value).contiguous()
        for name, value in network.state_dict().items()
    }
    save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
    write_atomically(folder / CONFIG, json.dumps(plain(architecture), indent=2) + "\n")


def load_network(
    build: Callable[[Any], Network], architecture: type, path: str, what: str, learner: str, key: str
) -> Network:
    """The network of a folder that `save_network` wrote, in float32, frozen, channels last.

    Args:
        build: from an architecture to the network.
        architecture: dataclass of its sizes.
        path: the name of weights that a plugin carries, or a folder.
        what: what it is, for messages.
        learner: name of the learner that saves such folders, for messages.
        key: config key, for messages.

    Raises:
        ConfigError: it cannot be loaded, or tensors are missing, unexpected or of another shape; naming them.
    """
    return filled_network(build, *read_network(architecture, path, what, learner, key), f"a {what} from {path!r}", key)


def read_network(
    architecture: type[Sizes], path: str, what: str, learner: str, key: str
) -> tuple[Sizes, dict[str, torch.Tensor]]:
    """The sizes and the tensors of a folder that `save_network` wrote; arguments as of `load_network`.

    Raises:
        ConfigError: it cannot be read, or is another network's.
    """
    folder = Path(weights_source(path))
    if not (folder / CONFIG).is_file():
        raise ConfigError(
            f"there is no {what} at {path!r}: no {CONFIG}", key=key,
            hint=f"give a folder that the learner {learner} saved, or a plugin's weights ({carried_weights()})",
        )  # fmt: skip
    try:
        sizes = check(architecture, read_json(folder / CONFIG, key), "", lambda key: None)
    except ConfigError as problem:
        raise ConfigError(
            f"{folder / CONFIG} describes no {what}: {problem.key}: {problem.message}", key=key,
            hint=f"give what the learner {learner} saved",
        ) from problem  # fmt: skip
    return sizes, read_tensors(folder / WEIGHTS, key)


def filled_network(
    build: Callable[[Any], Network], sizes: Any, tensors: Mapping[str, torch.Tensor], what: str, key: str
) -> Network:
    """The network of these sizes with these tensors, in float32, frozen, channels last.

    Raises:
        ConfigError: tensors are missing, unexpected or of another shape; naming them.
    """
    with torch.random.fork_rng(devices=[]):  # the initial weights are drawn, and replaced below
        network = build(sizes)
    load_tensors(network, tensors, what, key)
    return channels_last(network).eval().requires_grad_(False)


def channels_last(network: Network) -> Network:
    """The network with its convolutions channels last, which is faster on a CPU; in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        elif isinstance(module, nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return network
