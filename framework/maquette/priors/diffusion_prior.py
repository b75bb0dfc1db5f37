"""Base of the priors that run a diffusers UNet: settings, device, autoencoder, one batched call for all conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import CountOrNone, WeightsPath
from maquette.config.parts import NoiseSpec
from maquette.diffusion.noise import DiscreteSchedule, NoiseSchedule
from maquette.kernels.devices import choose_device
from maquette.priors.autoencoder import PictureCodec
from maquette.priors.base import Prior
from maquette.weights.diffusers_folder import DtypeName, choose_dtype
from maquette.weights.loading import check_path

Condition = TypeVar("Condition")


@dataclass(frozen=True)
class NetworkConfig:
    """Path, arithmetic, device and picture size of a pretrained model."""

    path: WeightsPath  # folder, name of weights that a plugin carries, or hub repository
    dtype: DtypeName = "auto"  # arithmetic of the UNet
    device: str = "auto"  # "cpu", "cuda", "cuda:1" ...
    size: CountOrNone = 0  # picture side in pixels; 0: the side that the model was trained on
    cpu_offload: bool = False  # keep the autoencoder on the CPU between uses
    noise: NoiseSpec | None = (
        None  # the noise process that the weights were tuned on, where their scheduler has another
    )

    def __post_init__(self) -> None:
        check_path(self.path)


class DiffusionPrior(Prior):
    """A prior with a diffusers UNet and, for latent diffusion, an autoencoder.

    Args:
        config: settings.
        noise_schedule: noise process of the model.
        unet: UNet2DConditionModel, frozen, in float32.
        vae: AutoencoderKL; None: the model denoises pixels.
        size: side in pixels of the pictures that the model was trained on.
    """

    def __init__(self, config: NetworkConfig, noise_schedule: DiscreteSchedule, unet: Any, vae: Any, size: int) -> None:
        self.device = choose_device(config.device)
        self.dtype = choose_dtype(config.dtype, self.device)
        self.noise_schedule = noise_schedule.under(config.noise).to(self.device)
        self.unet: Any = unet.to(self.device, memory_format=torch.channels_last)
        self.size = config.size or size
        self.codec = PictureCodec(vae, self.size, self.device, config.cpu_offload)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        return self.codec.encode(rgb)

    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        return self.codec.decode(latents)


def distinct_conditions(conditions: Mapping[str, Condition]) -> tuple[list[Condition], dict[str, int]]:
    """Unique conditions, and name -> index into them; names that share one object (by `is`) share an index.

    Example:
        >>> nothing = ["zeros"]
        >>> distinct_conditions({"positive": ["a mug"], "unconditional": nothing, "empty": nothing})
        ([['a mug'], ['zeros']], {'positive': 0, 'unconditional': 1, 'empty': 1})
    """
    each: list[Condition] = []
    index: dict[str, int] = {}
    for name, condition in conditions.items():
        index[name] = next((position for position, other in enumerate(each) if other is condition), len(each))
        if index[name] == len(each):
            each.append(condition)
    return each, index


def predict_each(
    conditions: Mapping[str, Condition],
    noisy: Float[Tensor, "B C h w"],
    t: Int[Tensor, " B"],
    schedule: NoiseSchedule,
    network: Callable[[Tensor, Tensor, list[Condition]], Tensor],
) -> dict[str, Float[Tensor, "B C h w"]]:
    """Noise predictions under each condition, by one batched call of a network over the unique conditions.

    Args:
        network: (noisy [K B, C, h, w], t [K B], the K conditions) -> model output [K B, C, h, w], in the order of
            the conditions.
    """
    each, index = distinct_conditions(conditions)
    outputs = network(torch.cat([noisy] * len(each)), torch.cat([t] * len(each)), each).chunk(len(each))
    noises = [schedule.epsilon(output, noisy, t) for output in outputs]
    return {name: noises[position] for name, position in index.items()}
