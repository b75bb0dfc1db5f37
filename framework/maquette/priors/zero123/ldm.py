"""Conversion of original Zero123 checkpoints to networks of diffusers and transformers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from maquette.diffusion.noise.scaled_linear import SCALED_LINEAR_BETAS
from maquette.perception.image_encoder import ClipPreprocessor, ImageEncoder
from maquette.priors.zero123.projection import CameraProjection
from maquette.weights import ldm, ldm_clip
from maquette.weights.loading import refuse_differences

UNET, VAE, CLIP = "model.diffusion_model.", "first_stage_model.", "cond_stage_model.model.visual."
AVERAGE = "model_ema.diffusion_model"
PROJECTION = ("cc_projection.weight", "cc_projection.bias")
SCHEDULE = {
    "beta_schedule": "scaled_linear",
    "beta_start": SCALED_LINEAR_BETAS[0],
    "beta_end": SCALED_LINEAR_BETAS[1],
    "clip_sample": False,
}
UNUSED = re.compile(
    r"^(betas$|alphas_cumprod|sqrt_|log_one_minus|posterior_|lvlb_weights$|logvar$|scale_factor$"
    r"|model_ema\.(decay|num_updates)$|first_stage_model\.loss\.|cond_stage_model\.(mean|std)$"
    r"|cond_stage_model\.model\.(?!visual\.))"
)
"""Tensors of a checkpoint that are ignored: tables of the noise schedule, counters, CLIP's text tower."""
LATENT_SIZE = 32  # side of the latents of 256 x 256 pictures


class LdmParts:
    """The parts of a Zero123 model from one original checkpoint file.

    If it has a running average of the UNet's weights (EMA), that is used. The sizes of the networks are inferred from
    the tensors' shapes, so that no config is needed.

    Source: ldm/models/diffusion/ddpm.py, ldm/modules/ema.py and configs/sd-objaverse-finetune-c_concat-256.yaml of
    Zero-1-to-3's code.

    Args:
        tensors: the file's tensors by name.
        name: the file's name, for messages.

    Raises:
        ConfigError: it is no complete checkpoint of this kind.
    """

    def __init__(self, tensors: Mapping[str, Tensor], name: str) -> None:
        self._tensors, self._name = tensors, name
        unknown = [name for name in tensors if not name.startswith((UNET, VAE, CLIP, AVERAGE))]
        foreign = [name for name in unknown if name not in PROJECTION and not UNUSED.match(name)]
        refuse_differences(name, [name for name in PROJECTION if name not in tensors], foreign)
        trained = ldm.tensors_with_prefix(tensors, UNET)
        self._unet: Any = ldm.unet(self._averaged(trained), f"the UNet in {name}", sample_size=LATENT_SIZE)
        autoencoder = {
            key: tensor for key, tensor in ldm.tensors_with_prefix(tensors, VAE).items() if not key.startswith("loss.")
        }
        self._vae: Any = ldm.vae(autoencoder, f"the autoencoder in {name}")
        self._picture_tower()  # to refuse a file that lacks some of it

    def scheduler(self) -> Any:
        from diffusers import DDPMScheduler

        return DDPMScheduler(**SCHEDULE)

    def unet(self) -> Any:
        return self._unet

    def vae(self) -> Any:
        return self._vae

    def projection(self) -> CameraProjection:
        return CameraProjection.of(*(self._tensors[name] for name in PROJECTION)).requires_grad_(False)

    def image_encoder(self) -> ImageEncoder:
        tower = self._picture_tower()
        return ImageEncoder(tower, ClipPreprocessor(tower.config.image_size, smooth=False))

    def views(self) -> int:
        return 1

    def _picture_tower(self) -> Any:
        return ldm_clip.picture_tower(
            ldm.tensors_with_prefix(self._tensors, CLIP), f"CLIP's picture tower in {self._name}"
        )

    def _averaged(self, trained: dict[str, Tensor]) -> dict[str, Tensor]:
        """The running average of the UNet's tensors, or the tensors themselves if the file has none."""
        averages = {name for name in self._tensors if name.startswith(AVERAGE)}
        if not averages:
            return trained
        average_names = {name: _average(UNET + name) for name in trained}
        refuse_differences(
            self._name, [*set(average_names.values()) - averages], [*averages - set(average_names.values())]
        )
        return {name: self._tensors[average] for name, average in average_names.items()}


def _average(name: str) -> str:
    """The name of a tensor's running average: LitEma removes the dots.

    Example:
        >>> _average("model.diffusion_model.input_blocks.0.0.weight")
        'model_ema.diffusion_modelinput_blocks00weight'
    """
    return "model_ema." + name.removeprefix("model.").replace(".", "")
