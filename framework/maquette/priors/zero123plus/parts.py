"""The parts of a Zero123++ model, from a folder or hub repository in diffusers' layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL.Image import Resampling
from torch import Tensor
from torch.nn.functional import interpolate

from maquette.errors import ConfigError
from maquette.perception.image_encoder import ClipPreprocessor, ImageEncoder
from maquette.priors.text.clip_texts import clip_embeddings
from maquette.weights.diffusers_folder import Weights
from maquette.weights.embedding_cache import cached_embeddings
from maquette.weights.families import RAMP
from maquette.weights.raw_files import read_json

NEEDED = (
    "unet", "scheduler", "text_encoder", "tokenizer", "vision_encoder", "feature_extractor_clip",
    "feature_extractor_vae", RAMP,
)  # fmt: skip
PREPROCESSING = ("crop_size", "size", "resample", "image_mean", "image_std")
RESAMPLING = {Resampling.BILINEAR: "bilinear", Resampling.BICUBIC: "bicubic"}


class ReferencePreprocessor:
    """Resizing and normalisation of the reference before the autoencoder.

    Args:
        settings: `preprocessor_config.json` of a CLIPImageProcessor: size, mean, deviation and resampling filter.
    """

    def __init__(self, settings: Path) -> None:
        stored = read_json(settings, "prior.path")
        if missing := [name for name in PREPROCESSING if name not in stored]:
            raise ConfigError(f"{settings} does not state {', '.join(missing)}", key="prior.path")
        self.size: int = _side(stored["crop_size"])
        if self.size != _side(stored["size"]):
            raise ConfigError(f"{settings} cuts its pictures, which would cut off what they show", key="prior.path")
        self.mode = RESAMPLING[stored["resample"]]
        self.mean, self.std = (torch.tensor(stored[f"image_{name}"]).view(-1, 1, 1) for name in ("mean", "std"))

    def __call__(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 size size"]:
        """Pictures in [0, 1], resized and normalised."""
        pixels = rgb.permute(0, 3, 1, 2)
        size = (self.size, self.size)
        if pixels.shape[-2:] != size:
            pixels = interpolate(pixels, size, mode=self.mode, antialias=True).clamp(0, 1)
        return ((pixels - self.mean) / self.std).contiguous()  # memory order affects the rounding


def _side(size: int | dict[str, int]) -> int:
    return size if isinstance(size, int) else next(iter(size.values()))


class Parts:
    """The parts of a Zero123++ model; networks are frozen and in float32.

    Args:
        path: folder, name of weights that a plugin carries, or hub repository.
    """

    def __init__(self, path: str) -> None:
        self.weights = Weights(path, pickles=True)
        self.weights.refuse_without("Zero123++", *NEEDED)

    def reference_preprocessor(self) -> ReferencePreprocessor:
        """Reference picture -> input of the autoencoder."""
        return ReferencePreprocessor(self.weights.file(f"feature_extractor_vae/{ClipPreprocessor.FILE}"))

    def image_encoder(self) -> ImageEncoder:
        """Picture -> CLIP embedding."""
        from transformers import CLIPVisionModelWithProjection

        model = self.weights.load_network(CLIPVisionModelWithProjection, "vision_encoder")
        settings = self.weights.file(f"feature_extractor_clip/{ClipPreprocessor.FILE}")
        return ImageEncoder(model, ClipPreprocessor(model.config.image_size, settings))

    def empty_text(self) -> Float[Tensor, "L D"]:
        """The embedding of the empty text, cached on disk."""
        from transformers import AutoTokenizer, CLIPTextModel

        def compute(texts: Any) -> Tensor:
            tokenizer = self.weights.load(AutoTokenizer, "tokenizer")
            return clip_embeddings(tokenizer, self.weights.load_network(CLIPTextModel, "text_encoder"), texts)

        return cached_embeddings([""], self.weights.text_encoder_id, compute)[""]

    def ramp(self) -> Float[Tensor, "L 1"]:
        """Ramping coefficients: weight with which the image embedding is added to each of the text's L tokens."""
        stored = self.weights.index[RAMP]
        if not (isinstance(stored, list) and all(isinstance(value, int | float) for value in stored)):
            raise ConfigError(f"{RAMP} in model_index.json is a list of numbers, not {stored!r:.80}", key="prior.path")
        return torch.tensor(stored, dtype=torch.float32)[:, None]
