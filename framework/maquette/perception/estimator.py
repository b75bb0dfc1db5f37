"""Depth estimation by networks in transformers layout, and by maquette's DPT for depth and normals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.weights.loading import carried_weights, read_network, readable_source, unreadable, weights_source

METRIC = ("glpn", "zoedepth")  # transformers' models of metric depth
DEPTH_AND_NORMALS = "DPTForDepthAndNormals"
UNUSED = "neck.fusion_stage.layers.0.residual_layer1."  # of a DPT; published files leave these weights out


class Estimate(NamedTuple):
    """Estimated depth and normals of pictures.

    Args:
        nearness: increases as the surface comes nearer, up to a scale and a shift.
        normal: of length 1, in the camera's frame (x right, y up, z to the viewer); None from a network of depth alone.
    """

    nearness: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"] | None


class Estimator:
    """A depth estimation model: DPT (MiDaS 3), Depth Anything, ZoeDepth and so on, or a network of depth and normals.

    Models of relative depth predict inverse distance up to a scale and a shift; metric models, by their config or
    model type, predict distance. Only safetensors are read; of `preprocessor_config.json`, size, mean and deviation.

    Args:
        path: weights that a plugin carries, a folder in transformers' layout, or a hub name.
        key: config key, for messages.

    Raises:
        ConfigError: it cannot be loaded, or tensors are missing or unexpected; naming them.
    """

    def __init__(self, path: str, key: str = "data.estimator") -> None:
        from transformers import AutoConfig, AutoModelForDepthEstimation
        from transformers.image_processing_base import ImageProcessingMixin
        from transformers.image_processing_utils import get_size_dict

        source, what = weights_source(path), f"a depth estimator from {path!r}"
        hint = (
            f"give a plugin's weights ({carried_weights()}), a folder in transformers' "
            "layout, or a hub name such as depth-anything/Depth-Anything-V2-Small-hf"
        )
        try:
            with readable_source(source, key) as (place, revision):
                config: Any = AutoConfig.from_pretrained(place, **revision)
                settings, _ = ImageProcessingMixin.get_image_processor_dict(place, **revision)
                side: int = get_size_dict(settings["size"])["height"]
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise unreadable(what, problem, key, hint) from problem
        self.sees_normals = DEPTH_AND_NORMALS in (config.architectures or ())
        cls: Any = _depth_and_normals_class() if self.sees_normals else AutoModelForDepthEstimation
        network = read_network(cls, source, what, key, hint, spare=(UNUSED,), dtype=torch.float32, use_safetensors=True)
        self._input_format = (side, settings.get("image_mean", [0.0] * 3), settings.get("image_std", [1.0] * 3))
        self.network = network
        self._metric = config.model_type in METRIC or getattr(config, "depth_estimation_type", "") == "metric"

    @torch.no_grad()
    def estimate(self, rgb: Float[Tensor, "B S S 3"]) -> Estimate:
        """Depth and normals of square pictures in [0, 1] of an object over white."""
        output = self.network(pixel_values=preprocess(rgb, *self._input_format)).predicted_depth
        channels = output if self.sees_normals else output[:, None]
        return postprocess(-channels if self._metric else channels, rgb.shape[1])


def preprocess(
    rgb: Float[Tensor, "B S S 3"], side: int, mean: Sequence[float], deviation: Sequence[float]
) -> Float[Tensor, "B 3 side side"]:
    """Square pictures in [0, 1] -> input of a network: resized, and normalised per channel."""
    resized = rgb.permute(0, 3, 1, 2)
    if resized.shape[-1] != side:
        resized = functional.interpolate(resized, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
    return (resized - rgb.new_tensor(mean)[:, None, None]) / rgb.new_tensor(deviation)[:, None, None]


def postprocess(output: Float[Tensor, "B C h w"], size: int) -> Estimate:
    """A network's output, nearness and optionally a normal (3 channels), resized to the pictures' size in pixels."""
    if output.shape[-1] != size:
        output = functional.interpolate(output, (size, size), mode="bilinear", antialias=True)
    channels = output.permute(0, 2, 3, 1)
    normal = functional.normalize(channels[..., 1:], dim=-1) if channels.shape[-1] > 1 else None
    return Estimate(channels[..., :1], normal)


def _depth_and_normals_class() -> Any:
    from maquette.perception.dpt import DPTForDepthAndNormals

    return DPTForDepthAndNormals
