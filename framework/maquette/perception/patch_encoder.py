"""Features of a picture's patches by a frozen vision transformer (DINOv2)."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError
from maquette.perception.image_encoder import ClipPreprocessor
from maquette.weights.loading import read_network, readable_source, unreadable, weights_source

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and deviation of the channels
HINT = "give a folder in transformers' layout or a hub name, e.g. facebook/dinov2-base"


class PatchEncoder:
    """The patches' last hidden states of a DINOv2, with or without registers; no part of what is trained or saved.

    Args:
        path: a folder in transformers' layout, or a hub name.
        key: config key, for messages.

    Raises:
        ConfigError: it cannot be loaded, or is of another kind.

    Source: Oquab et al. 2023 (DINOv2, arXiv 2304.07193); registers, Darcet et al. 2023 (arXiv 2309.16588).
    """

    def __init__(self, path: str, key: str = "patches") -> None:
        from transformers import AutoConfig, Dinov2Model, Dinov2WithRegistersModel

        source, what = weights_source(path), f"a DINOv2 from {path!r}"
        try:
            with readable_source(source) as (place, revision):
                config: Any = AutoConfig.from_pretrained(place, **revision)
        except (OSError, ValueError) as problem:
            raise unreadable(what, problem, hint=HINT) from problem
        classes = {"dinov2": Dinov2Model, "dinov2_with_registers": Dinov2WithRegistersModel}
        if config.model_type not in classes:
            raise ConfigError(f"{path!r} is a {config.model_type}, and no DINOv2", key=key, hint=HINT)
        model: Any = read_network(
            classes[config.model_type], source, what, hint=HINT, config=config, dtype=torch.float32
        )
        self._model = model.eval().requires_grad_(False)
        self._patch: int = config.patch_size
        self._first = 1 + int(getattr(config, "num_register_tokens", 0))  # tokens before those of the patches
        self.width: int = config.hidden_size

    def __deepcopy__(self, memo: dict[int, Any]) -> PatchEncoder:
        return self  # an averaged copy of a network shares it

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C s s"]:
        """Features of the patches of square pictures in [0, 1], resized to whole patches, none of which is lost."""
        self._model.to(images.device)
        side = -(-images.shape[-1] // self._patch)
        preprocess = ClipPreprocessor(side * self._patch)
        preprocess.mean, preprocess.std = (list(values) for values in IMAGENET)
        states = self._model(pixel_values=preprocess(images.permute(0, 2, 3, 1))).last_hidden_state
        return states[:, self._first :].unflatten(1, (side, side)).permute(0, 3, 1, 2)
