"""A feed-forward network from posed views of an object to signed distances on a grid."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, Pixels, Positive, Samples
from maquette.cameras.base import Cameras
from maquette.config.parts import check, plain
from maquette.errors import ConfigError
from maquette.files import write_atomically
from maquette.perception.view_volume import ViewVolume
from maquette.perception.volume_unet import VolumeUNet, unfold
from maquette.weights.loading import carried_weights, load_tensors, weights_source
from maquette.weights.raw_files import read_json
from maquette.weights.tensor_files import read_tensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"  # files of a folder of weights


@dataclass(frozen=True)
class Architecture:
    """Sizes of a reconstructor; they travel with its weights."""

    bound: Positive = 0.84  # half side of the cube, scene units
    resolution: Samples = 32  # cells along a side of the cube
    size: Pixels = 64  # side of the pictures
    picture_widths: tuple[Channels, Channels, Channels] = (24, 48, 96)  # channels at 1/2, 1/4 and 1/8 of that side
    features: Channels = 16  # learned features of each view at a cell
    widths: tuple[Channels, ...] = (32, 64, 128)  # channels of the 3D U-Net, at half the resolution first
    blocks: tuple[Count, ...] = (1, 1, 2)  # residual blocks per level of the 3D U-Net
    context: Channels = 128  # size of the context vector

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"{len(self.widths)} levels need as many numbers of blocks, not {len(self.blocks)}")
        if self.resolution % 2 ** len(self.widths):
            raise ValueError(f"{len(self.widths)} levels need a resolution that {2 ** len(self.widths)} divides")

    @property
    def cell(self) -> float:
        """Side of a cell, scene units."""
        return 2 * self.bound / self.resolution


class Reconstructor(nn.Module):
    """Predicts signed distances at the centres of a cube's cells from posed views, in one evaluation.

    Args:
        architecture: its sizes.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.views = ViewVolume(a.bound, a.resolution, a.picture_widths, a.features, a.context)
        self.unet = VolumeUNet(self.views.channels, 8, a.widths, a.context, a.blocks)

    def forward(self, images: Float[Tensor, "B V H W 3"], cameras: Cameras) -> Float[Tensor, "B N N N"]:
        """Signed distances in cells, negative inside, x first; trained to be truncated at -1 and 1.

        Args:
            images: in [0, 1] over plain backgrounds, of the side that the network was trained on.
            cameras: B V cameras, the V views of an object one after the other.
        """
        volume, context = self.views(images, cameras)
        return unfold(self.unet(volume, context)).squeeze(1).float()

    def set_memory_format(self) -> Reconstructor:
        """Convert the convolutions to channels last, which is faster on a CPU."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            elif isinstance(module, nn.Conv3d):
                module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        return self

    def save(self, folder: Path) -> None:
        """Write `config.json` and `model.safetensors` in half precision."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        state = {name: value.half().contiguous() for name, value in self.state_dict().items()}
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})
        write_atomically(folder / CONFIG, json.dumps(plain(self.architecture), indent=2) + "\n")

    @classmethod
    def load(cls, path: str, key: str = "weights") -> Reconstructor:
        """Load weights saved by the learner `reconstructor`, in float32, frozen.

        Args:
            path: the name of weights that a plugin carries, or a folder.
            key: config key, for messages.

        Raises:
            ConfigError: it cannot be loaded, or tensors are missing, unexpected or of another shape; naming them.
        """
        folder = Path(weights_source(path))
        if not (folder / CONFIG).is_file():
            raise ConfigError(
                f"there is no reconstructor at {path!r}: no {CONFIG}", key=key,
                hint=f"give a folder that the learner reconstructor saved, or a plugin's weights ({carried_weights()})",
            )  # fmt: skip
        sizes = read_json(folder / CONFIG, key)
        try:
            with torch.random.fork_rng(devices=[]):  # the initial weights are drawn, and replaced below
                network = cls(check(Architecture, sizes, "", lambda key: None))
        except ConfigError as problem:
            raise ConfigError(
                f"{folder / CONFIG} describes no reconstructor: {problem.key}: {problem.message}", key=key,
                hint="give what the learner reconstructor saved",
            ) from problem  # fmt: skip
        load_tensors(network, read_tensors(folder / WEIGHTS, key), f"a reconstructor from {path!r}", key)
        return network.set_memory_format().eval().requires_grad_(False)
