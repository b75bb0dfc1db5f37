"""Networks in transformers' layout that estimate depth, and ours that estimates normals along with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.weights.loading import carried_weights, quiet, read_network, unreadable, weights_source

METRIC = ("glpn", "zoedepth")  # transformers' models that give distances
OURS = "DPTForDepthAndNormals"
UNUSED = "neck.fusion_stage.layers.0.residual_layer1."  # of a DPT; published files leave these weights out


class Estimate(NamedTuple):
    """What is seen in pictures.

    Args:
        nearness: what grows as the surface comes nearer, up to a scale and a shift.
        normal: of length 1, in the camera's frame (x right, y up, z to the viewer); None where only depth is seen.
    """

    nearness: Float[Tensor, "B H W 1"]
    normal: Float[Tensor, "B H W 3"] | None


class Estimator:
    """A depth estimation model: DPT (MiDaS 3), Depth Anything, ZoeDepth and so on, or one that sees normals too.

    Models of relative depth give the inverse of the distance up to a scale and a shift, and metric ones, which say so
    in their config or by their kind, the distance itself. Only safetensors are read; of the settings of pictures
    (`preprocessor_config.json`), size, mean and deviation.

    Args:
        path: weights that a plugin carries, a folder in transformers' layout, or a hub name.
        key: of the config that named it, for messages.

    Raises:
        ConfigError: it cannot be loaded, or tensors are missing or unexpected, which are named.
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
            with quiet(source):
                config: Any = AutoConfig.from_pretrained(source)
                settings, _ = ImageProcessingMixin.get_image_processor_dict(source)
        except (OSError, ValueError, KeyError) as problem:
            raise unreadable(what, problem, key, hint) from problem
        self.sees_normals = OURS in (config.architectures or ())
        cls: Any = _ours() if self.sees_normals else AutoModelForDepthEstimation
        network = read_network(cls, source, what, key, hint, spare=(UNUSED,), dtype=torch.float32, use_safetensors=True)
        side: int = get_size_dict(settings["size"])["height"]
        self._shown = (side, settings.get("image_mean", [0.0] * 3), settings.get("image_std", [1.0] * 3))
        self._network = network
        self._metric = config.model_type in METRIC or getattr(config, "depth_estimation_type", "") == "metric"

    @torch.no_grad()
    def estimate(self, rgb: Float[Tensor, "B S S 3"]) -> Estimate:
        """What is seen in square pictures in [0, 1], of an object over white."""
        output = self._network(pixel_values=pixels(rgb, *self._shown)).predicted_depth
        channels = output if self.sees_normals else output[:, None]
        return read(-channels if self._metric else channels, rgb.shape[1])


def pixels(
    rgb: Float[Tensor, "B S S 3"], side: int, mean: Sequence[float], deviation: Sequence[float]
) -> Float[Tensor, "B 3 side side"]:
    """Square pictures in [0, 1] as a network takes them: resized, and normalised per channel."""
    resized = rgb.permute(0, 3, 1, 2)
    if resized.shape[-1] != side:
        resized = functional.interpolate(resized, (side, side), mode="bicubic", antialias=True).clamp(0, 1)
    return (resized - rgb.new_tensor(mean)[:, None, None]) / rgb.new_tensor(deviation)[:, None, None]


def read(output: Float[Tensor, "B C h w"], size: int) -> Estimate:
    """What a network's output, nearness and perhaps three components of a normal, says of pictures of this size."""
    if output.shape[-1] != size:
        output = functional.interpolate(output, (size, size), mode="bilinear", antialias=True)
    channels = output.permute(0, 2, 3, 1)
    normal = functional.normalize(channels[..., 1:], dim=-1) if channels.shape[-1] > 1 else None
    return Estimate(channels[..., :1], normal)


def _ours() -> Any:
    from maquette.perception.dpt import DPTForDepthAndNormals

    return DPTForDepthAndNormals
