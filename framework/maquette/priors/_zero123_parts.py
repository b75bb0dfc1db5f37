"""The parts of a Zero123 model, from wherever: a folder or hub repository in diffusers' layout, or an original file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.errors import ConfigError
from maquette.image_condition import CameraProjection
from maquette.priors._diffusers import Weights, refuse_differences
from maquette.tensor_files import read_tensors

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # OpenAI's
PROJECTIONS = ("clip_camera_projection", "cc_projection")  # what the ports call it


class Parts(Protocol):
    """What a Zero123 model is made of; networks are frozen and in float32."""

    def scheduler(self) -> Any:
        """diffusers' DDPMScheduler."""

    def unet(self) -> Any:
        """UNet2DConditionModel, its input twice what it denoises: the noisy picture, then the reference."""

    def vae(self) -> Any:
        """AutoencoderKL; None in pixel space."""

    def projection(self) -> CameraProjection:
        """Embedding and pose -> token."""

    def image_encoder(self) -> ImageEncoder:
        """Picture -> embedding."""


class ImageEncoder:
    """CLIP's picture tower, with the pictures that it expects.

    Args:
        model: a CLIPVisionModelWithProjection.
        mean, std: of each colour channel, in [0, 1].
    """

    def __init__(self, model: Any, mean: Sequence[float] = CLIP_MEAN, std: Sequence[float] = CLIP_STD) -> None:
        self.model, self.size = model, model.config.image_size
        self._mean, self._std = (torch.tensor(list(values))[:, None, None] for values in (mean, std))

    @torch.no_grad()
    def __call__(self, rgb: Float[Tensor, "K H W 3"]) -> Float[Tensor, "K E"]:
        """Embeddings, not of unit length, of pictures in [0, 1].

        They are resized the way the models were trained: bicubic, corners on corners, without smoothing.

        Source: FrozenCLIPImageEmbedder in ldm/modules/encoders/modules.py of Zero-1-to-3's code.
        """
        pixels = rgb.permute(0, 3, 1, 2)
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = interpolate(pixels, (self.size, self.size), mode="bicubic", align_corners=True)
        return self.model(pixel_values=(pixels - self._mean.to(pixels)) / self._std.to(pixels)).image_embeds


class DiffusersParts:
    """The parts of a folder, of weights that a plugin carries, or of a hub repository.

    `.bin` files do where there are no safetensors, because the ports of the published models have nothing else; they
    are read weights-only.

    Args:
        path: any of the three.
    """

    def __init__(self, path: str) -> None:
        self._weights = Weights(path, pickles=True)
        self._index = self._weights.index()
        self._projection = next((name for name in PROJECTIONS if self._has(name)), "")
        missing = [] if self._projection else [PROJECTIONS[0]]
        missing += [name for name in ("unet", "scheduler", "image_encoder") if not self._has(name)]
        if missing:
            raise ConfigError(
                f"{path!r} is no Zero123 model: model_index.json names no {', '.join(missing)}", key="prior.path"
            )

    def _has(self, name: str) -> bool:
        return self._index.get(name, [None])[0] is not None

    def scheduler(self) -> Any:
        from diffusers import DDPMScheduler

        return self._weights.load(DDPMScheduler, "scheduler")

    def unet(self) -> Any:
        from diffusers import UNet2DConditionModel

        return self._weights.load_network(UNet2DConditionModel, "unet")

    def vae(self) -> Any:
        from diffusers import AutoencoderKL

        return self._weights.load_network(AutoencoderKL, "vae") if self._has("vae") else None

    def projection(self) -> CameraProjection:
        folder = self._projection
        path = self._weights.file(*(f"{folder}/diffusion_pytorch_model{ending}" for ending in (".safetensors", ".bin")))
        tensors = {name.rpartition(".")[2]: tensor for name, tensor in read_tensors(path, "prior.path").items()}
        wanted = {"weight", "bias"}
        refuse_differences(
            f"{folder} of {self._weights.path!r}", [*wanted - tensors.keys()], [*tensors.keys() - wanted]
        )
        return CameraProjection.of(**tensors).requires_grad_(False)

    def image_encoder(self) -> ImageEncoder:
        from transformers import CLIPVisionModelWithProjection

        model = self._weights.load_network(CLIPVisionModelWithProjection, "image_encoder")
        settings = self._weights.find("feature_extractor/preprocessor_config.json")
        known = json.loads(settings.read_text()) if settings is not None else {}
        return ImageEncoder(model, known.get("image_mean", CLIP_MEAN), known.get("image_std", CLIP_STD))
