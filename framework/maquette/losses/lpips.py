"""LPIPS perceptual distance between rendering and target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import InputPath, WeightsPath
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.errors import ConfigError
from maquette.losses._features import squared_unit_difference
from maquette.losses.base import Comparison
from maquette.registry import register
from maquette.renderers.base import Rendering
from maquette.weights.hub import hub_file
from maquette.weights.tensor_files import read_tensors

VGG16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of the 3 x 3 convolutions, each followed by a ReLU, of the five blocks between 2 x 2 poolings."""

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
SMALLEST_SIDE_PX = 2 ** (len(VGG16) - 1)  # the poolings leave one pixel of it


@register("loss", "lpips")
class LPIPS(Comparison):
    """LPIPS distance: sum over VGG16's five blocks of the mean over positions of w . (f - f*)^2, f of unit length.

    VGG16's weights come from a hub or a file, the channel weights w from torchmetrics (version 0.1 of LPIPS).

    Source: Zhang et al. 2018 (LPIPS, arXiv 1801.03924), eq. 1; network: Simonyan & Zisserman 2015 (arXiv 1409.1556).
    """

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)
        path: WeightsPath = (
            "timm/vgg16.tv_in1k"  # VGG16 trained on ImageNet: a file in torchvision's layout, or a hub name
        )
        linear: InputPath = ""  # file of the channel weights w; "": those of torchmetrics

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._network = _Network(weights_file(config.path), _linear_file(config.linear))

    def __call__(self, rendering: Rendering, target: Target) -> Tensor:
        height, width = rendering.rgb.shape[1:3]
        if min(height, width) < SMALLEST_SIDE_PX:
            raise ConfigError(
                f"loss 'lpips' compares pictures of {SMALLEST_SIDE_PX} pixels or more, not {height} x {width}",
                key="data.size",
            )
        return self.distance(rendering.rgb, target.picture.over(rendering.background).detach())

    def distance(self, rgb: Float[Tensor, "B H W 3"], reference: Float[Tensor, "B H W 3"]) -> Tensor:
        """The mean distance of B pictures in [0, 1] of 16 pixels a side or more, a scalar."""
        network = self._network.to(rgb.device)
        features, reference = network(rgb), network(reference)
        layers = [
            (squared_unit_difference(one, other) @ weights).mean()
            for one, other, weights in zip(features, reference, network.linear, strict=True)
        ]
        return torch.stack(layers).sum()


class _Network(nn.Module):
    """VGG16 up to its last convolution, frozen, and the weights of its blocks' channels."""

    def __init__(self, weights: Path, linear: Path) -> None:
        super().__init__()
        self.kernels = nn.ParameterList(_read(weights, _convolutions(), "path"))  # and biases, in turn
        rows = {f"lin{i}.model.1.weight": (1, channels[-1], 1, 1) for i, channels in enumerate(VGG16)}
        self.linear = nn.ParameterList(row.flatten() for row in _read(linear, rows, "linear"))
        self.requires_grad_(False)

    def forward(self, rgb: Float[Tensor, "B H W 3"]) -> list[Float[Tensor, "B n C"]]:
        """Features after the last ReLU of each block, at its n pixels."""
        values = ((rgb - rgb.new_tensor(MEAN)) / rgb.new_tensor(STD)).permute(0, 3, 1, 2)
        kernels, features = iter(self.kernels), []
        for index, channels in enumerate(VGG16):
            values = functional.max_pool2d(values, 2) if index else values
            for _ in channels:
                values = functional.relu(functional.conv2d(values, next(kernels), next(kernels), padding=1))
            features.append(values.flatten(2).mT)
        return features


def _convolutions() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the parameters; torchvision numbers convolutions, ReLUs and poolings in one sequence."""
    shapes: dict[str, tuple[int, ...]] = {}
    before, place = 3, 0
    for channels in VGG16:
        for after in channels:
            shapes |= {f"features.{place}.weight": (after, before, 3, 3), f"features.{place}.bias": (after,)}
            before, place = after, place + 2
        place += 1
    return shapes


def _read(path: Path, shapes: Mapping[str, tuple[int, ...]], key: str) -> list[Tensor]:
    tensors = read_tensors(path, key)
    wrong = [name for name, shape in shapes.items() if name not in tensors or tensors[name].shape != shape]
    if wrong:
        raise ConfigError(
            f"{path} lacks {', '.join(wrong[:3])}{' ...' if len(wrong) > 3 else ''} in the right shape", key=key,
            hint="VGG16's weights are named features.0.weight ..., LPIPS' channel weights lin0.model.1.weight ...",
        )  # fmt: skip
    return [tensors[name].float() for name in shapes]


def weights_file(path: str) -> Path:
    """The file of VGG16's weights: a file, or of a hub name.

    Raises:
        ConfigError: there is none.
    """
    if Path(path).expanduser().is_file():
        return Path(path).expanduser()
    try:
        return hub_file(path, "model.safetensors")
    except (OSError, ValueError) as problem:
        raise ConfigError(
            f"loss 'lpips' cannot find VGG16 at {path!r}: {str(problem).strip().splitlines()[0]}", key="path",
            hint="give a file in torchvision's layout (vgg16-397923af.pth) or a hub name; the loss 'perceptual' needs "
            "no more than a CLIP",
        ) from problem  # fmt: skip


def _linear_file(path: str) -> Path:
    if not path:
        import torchmetrics

        return Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "vgg.pth"
    if not Path(path).expanduser().is_file():
        raise ConfigError(f"there is no file {path}", key="linear", hint="leave it out for torchmetrics' own")
    return Path(path).expanduser()
