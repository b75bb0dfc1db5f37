"""The parts of a Zero123 model, from wherever: a folder or hub repository in diffusers' layout, or an original file."""

from __future__ import annotations

from typing import Any, Protocol

from maquette.perception.image_encoder import ClipPixels, ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.weights.diffusers_folder import Weights
from maquette.weights.loading import refuse_differences
from maquette.weights.tensor_files import read_tensors

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


class DiffusersParts:
    """The parts of a folder, of weights that a plugin carries, or of a hub repository.

    `.bin` files do where there are no safetensors, because the ports of the published models have nothing else; they
    are read weights-only.

    Args:
        path: any of the three.
    """

    def __init__(self, path: str) -> None:
        self._weights = Weights(path, pickles=True)
        self._projection = next((name for name in PROJECTIONS if self._weights.has(name)), PROJECTIONS[0])
        self._weights.refuse_without("Zero123", self._projection, "unet", "scheduler", "image_encoder")

    def scheduler(self) -> Any:
        return self._weights.scheduler()

    def unet(self) -> Any:
        return self._weights.unet()

    def vae(self) -> Any:
        return self._weights.vae()

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
        settings = self._weights.find(f"{ClipPixels.FOLDER}/{ClipPixels.FILE}")
        return ImageEncoder(model, ClipPixels(model.config.image_size, settings, smooth=False))
