"""The parts of a Zero123 model, from a folder or hub repository in diffusers layout or from an original file."""

from __future__ import annotations

from typing import Any, Protocol

from maquette.errors import ConfigError
from maquette.perception.image_encoder import ClipPreprocessor, ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.weights.diffusers_folder import Weights
from maquette.weights.families import PROJECTIONS, VIEWS
from maquette.weights.loading import refuse_differences


class Parts(Protocol):
    """The parts of a Zero123 model; networks are frozen and in float32."""

    def scheduler(self) -> Any:
        """diffusers' DDPMScheduler."""

    def unet(self) -> Any:
        """UNet2DConditionModel; its input channels are those of the noisy picture, then those of the reference."""

    def vae(self) -> Any:
        """AutoencoderKL; None in pixel space."""

    def projection(self) -> CameraProjection:
        """CLIP embedding and relative pose -> context token."""

    def image_encoder(self) -> ImageEncoder:
        """Picture -> CLIP embedding."""

    def views(self) -> int:
        """Number of views of an object that the model was trained to denoise together."""


class DiffusersParts:
    """The parts of a folder, of weights that a plugin carries, or of a hub repository.

    `.bin` files are read weights-only if there are no safetensors, as in the ports of the published models.

    Args:
        path: folder, name of weights that a plugin carries, or hub repository.
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
        tensors = {name.rpartition(".")[2]: tensor for name, tensor in self._weights.tensors(folder).items()}
        expected = {"weight", "bias"}
        refuse_differences(
            f"{folder} of {self._weights.path!r}", [*expected - tensors.keys()], [*tensors.keys() - expected]
        )
        return CameraProjection.of(**tensors).requires_grad_(False)

    def image_encoder(self) -> ImageEncoder:
        return image_encoder_of(self._weights)

    def views(self) -> int:
        stored = self._weights.index.get(VIEWS, 1)
        if not isinstance(stored, int) or stored < 1:
            raise ConfigError(f"{VIEWS} in model_index.json is a number of views, not {stored!r:.80}", key="prior.path")
        return stored


def image_encoder_of(weights: Weights) -> ImageEncoder:
    """The image encoder among the parts of a model in diffusers layout, with the preprocessing of Zero-1-to-3."""
    from transformers import CLIPVisionModelWithProjection

    model = weights.load_network(CLIPVisionModelWithProjection, ImageEncoder.FOLDER)
    settings = weights.find(f"{ClipPreprocessor.FOLDER}/{ClipPreprocessor.FILE}")
    return ImageEncoder(model, ClipPreprocessor(model.config.image_size, settings, smooth=False))
