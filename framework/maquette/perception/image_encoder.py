"""CLIP image encoders, and the preprocessing of their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.weights.loading import (
    carried_weights,
    halved,
    read_network,
    readable_source,
    unreadable,
    weights_source,
)
from maquette.weights.raw_files import read_json

TEXT_TOWER = ("text_model.", "text_projection.", "logit_scale")
"""Prefixes of the tensors of a CLIP outside its image tower."""


class ClipPreprocessor:
    """Preprocessing of a CLIP image encoder: resizing, and normalisation per channel.

    Args:
        size: side of the encoder's pictures in pixels.
        settings: its `preprocessor_config.json`; None or no such file: mean and deviation of OpenAI's models.
        smooth: whether downsampling is antialiased; models of Zero-1-to-3's family do not (source:
            FrozenCLIPImageEmbedder in ldm/modules/encoders/modules.py of its code).
    """

    FOLDER = "feature_extractor"
    FILE = "preprocessor_config.json"

    def __init__(self, size: int, settings: Path | None = None, smooth: bool = True) -> None:
        stored = read_json(settings) if settings is not None and settings.is_file() else {}
        self.size, self.smooth = size, smooth
        self.mean: list[float] = stored.get("image_mean", [0.48145466, 0.4578275, 0.40821073])
        self.std: list[float] = stored.get("image_std", [0.26862954, 0.26130258, 0.27577711])

    def __call__(self, images: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 size size"]:
        """Pictures in [0, 1], resized and normalised."""
        pixels = images.permute(0, 3, 1, 2)
        size = (self.size, self.size)
        if pixels.shape[-2:] != size and self.smooth:
            pixels = functional.interpolate(pixels, size, mode="bicubic", antialias=True).clamp(0, 1)
        elif pixels.shape[-2:] != size:
            pixels = functional.interpolate(pixels, size, mode="bicubic", align_corners=True)
        mean, std = (pixels.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (pixels - mean) / std

    def save(self, folder: Path) -> None:
        """Write `preprocessor_config.json` of an equivalent `CLIPImageProcessor`."""
        from transformers import CLIPImageProcessorPil

        size = {"height": self.size, "width": self.size}
        CLIPImageProcessorPil(
            size=size, crop_size=size, image_mean=self.mean, image_std=self.std, do_center_crop=False
        ).save_pretrained(folder)


class ImageEncoder(nn.Module):
    """The frozen image tower of a CLIP, with the preprocessing of its pictures.

    Args:
        model: a CLIPVisionModelWithProjection.
        preprocess: preprocessing of its pictures.
    """

    FOLDER = "image_encoder"

    def __init__(self, model: Any, preprocess: ClipPreprocessor) -> None:
        super().__init__()
        self.model, self.preprocess = model.eval().requires_grad_(False), preprocess
        self.width: int = model.config.projection_dim

    @classmethod
    def load(cls, path: str, smooth: bool = True) -> ImageEncoder:
        """Load the image tower of a CLIP, or one saved alone in `image_encoder/`, in float32.

        Args:
            path: a name that a plugin carries, a folder, or a hub name.
            smooth: as in `ClipPreprocessor`.

        Raises:
            ConfigError: it cannot be loaded.
        """
        from transformers import CLIPConfig, CLIPVisionConfig, CLIPVisionModelWithProjection

        source = weights_source(path)
        alone = (Path(source) / cls.FOLDER).is_dir()
        tower = str(Path(source) / cls.FOLDER) if alone else source
        settings = (Path(source) / ClipPreprocessor.FOLDER if alone else Path(source)) / ClipPreprocessor.FILE
        what = f"a CLIP image encoder from {path!r}"
        hint = f"give a folder in transformers' layout, a hub name, or a plugin's weights ({carried_weights()})"
        try:
            with readable_source(tower) as (place, revision):
                if alone:
                    config: Any = CLIPVisionConfig.from_pretrained(place)
                else:
                    both: Any = CLIPConfig.from_pretrained(place, **revision)
                    config = both.vision_config
                    config.projection_dim = both.projection_dim  # CLIPModel does not read the tower's own
        except (OSError, ValueError) as problem:
            raise unreadable(what, problem, hint=hint) from problem
        model = read_network(
            CLIPVisionModelWithProjection, tower, what, hint=hint, spare=TEXT_TOWER, config=config, dtype=torch.float32
        )
        return cls(model, ClipPreprocessor(config.image_size, settings, smooth))

    def forward(self, images: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B width"]:
        """Projected embeddings of pictures in [0, 1], not normalised to unit length; differentiable."""
        return self.model(pixel_values=self.preprocess(images)).image_embeds

    def patches(self, images: Float[Tensor, "B H W 3"]) -> list[Float[Tensor, "B n channels"]]:
        """Hidden states of the n patches, before and after each layer; differentiable."""
        output = self.model(pixel_values=self.preprocess(images), output_hidden_states=True)
        return [state[:, 1:] for state in output.hidden_states]  # the first is the class token

    def save(self, folder: Path) -> None:
        """Write `image_encoder/` and `feature_extractor/`, half precision."""
        halved(self.model).save_pretrained(folder / self.FOLDER, safe_serialization=True)
        self.preprocess.save(folder / ClipPreprocessor.FOLDER)
