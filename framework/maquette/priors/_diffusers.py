"""What priors of diffusers' and transformers' parts share: finding, loading and running them, pictures to latents."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import interpolate

from maquette import plugins
from maquette.errors import ConfigError
from maquette.pretrained import quiet, weights_source
from maquette.priors._text import identity

DtypeName = Literal["auto", "float32", "float16", "bfloat16"]
DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
HUB_NAME = re.compile(r"^[A-Za-z0-9][\w.-]*/[\w.-]+$")
SHOWN_NAMES = 5  # of missing or unexpected tensors in a message


def check_path(path: str) -> None:
    """Refuse what is neither a folder, nor weights that a plugin carries, nor a hub name.

    Raises:
        ValueError: naming the weights that plugins carry.
    """
    if Path(path).expanduser().is_dir() or path in plugins.weights():
        return
    if path.startswith(("/", ".", "~")) or not HUB_NAME.match(path):
        known = ", ".join(plugins.weights()) or "none installed"
        raise ValueError(
            f"there are no weights at {path!r}: neither a folder, nor a plugin's weights ({known}), "
            "nor a hub name like org/model"
        )


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto": CUDA where there is one."""
    cuda = torch.cuda.is_available()
    return torch.device(("cuda" if cuda else "cpu") if name == "auto" else name)


def choose_dtype(name: DtypeName, device: torch.device) -> torch.dtype:
    """The type of a network's arithmetic; "auto": half precision where the device is faster with it."""
    if name != "auto":
        return DTYPES[name]
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32


class Weights:
    """A model in diffusers' layout, whose parts are loaded one by one.

    Args:
        path: folder, name of weights that a plugin carries, or hub repository.
        pickles: take `.bin` files where there are no safetensors; both libraries read them weights-only.
        key: of the config, that messages name.
    """

    def __init__(self, path: str, pickles: bool = False, key: str = "prior.path") -> None:
        self.path, self.source, self.key = path, weights_source(path), key
        self._safetensors = None if pickles else True

    @property
    def text_identity(self) -> str:
        """What tells this model's text encoder from others."""
        folder = Path(self.source)
        return identity(folder) if folder.is_dir() else self.source

    def index(self) -> dict[str, Any]:
        """`model_index.json`: part -> [library, class]."""
        folder = Path(self.source)
        if folder.is_dir():
            path = folder / "model_index.json"
            if not path.is_file():
                raise ConfigError(f"not a model in diffusers' layout: {path} is missing", key=self.key)
            return json.loads(path.read_text())
        from diffusers import DiffusionPipeline

        try:
            return dict(DiffusionPipeline.load_config(self.source))
        except (OSError, ValueError) as problem:
            raise self.unreadable("model_index.json", problem) from problem

    def config(self, part: str) -> dict[str, Any]:
        """The `config.json` of one of diffusers' parts, whatever its class."""
        from diffusers import UNet2DConditionModel

        try:
            with quiet(self.source):
                return dict(UNet2DConditionModel.load_config(self.source, subfolder=part))
        except (OSError, ValueError) as problem:
            raise self.unreadable(part, problem) from problem

    def find(self, name: str) -> Path | None:
        """A file by its path inside the model, downloaded if need be; None if there is none of that name."""
        folder = Path(self.source)
        if folder.is_dir():
            return folder / name if (folder / name).is_file() else None
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        try:
            return Path(hf_hub_download(self.source, name))
        except EntryNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise self.unreadable(name, problem) from problem

    def file(self, *names: str) -> Path:
        """The first file that there is under one of these names.

        Raises:
            ConfigError: there is none.
        """
        found = next((path for name in names if (path := self.find(name)) is not None), None)
        if found is None:
            raise ConfigError(f"{self.path!r} has no {names[0]}", key=self.key, hint="is it complete?")
        return found

    def load(self, cls: Any, part: str) -> Any:
        """A part without weights of its own: a scheduler or tokenizer."""
        try:
            with quiet(self.source):
                return cls.from_pretrained(self.source, subfolder=part)
        except Exception as problem:  # json, hub and key errors have no common base
            raise self.unreadable(part, problem) from problem

    def load_network(self, cls: Any, part: str) -> Any:
        """A frozen network in float32, all of whose tensors are in the file; part "": the model is this one network."""
        # low_cpu_mem_usage would need accelerate, and says so at length
        extra = {"use_safetensors": self._safetensors, "torch_dtype": torch.float32, "low_cpu_mem_usage": False}
        try:
            with quiet(self.source):
                network, found = cls.from_pretrained(self.source, subfolder=part, output_loading_info=True, **extra)
        except Exception as problem:  # safetensors, json, hub and key errors have no common base
            raise self.unreadable(part or cls.__name__, problem) from problem
        unexpected = [name for name in found["unexpected_keys"] if not name.endswith("position_ids")]
        what = f"{part or cls.__name__} of {self.path!r}"
        refuse_differences(what, found["missing_keys"], unexpected, key=self.key)
        return network.requires_grad_(False).eval()

    def unreadable(self, part: str, problem: Exception) -> ConfigError:
        """The error that a part cannot be loaded."""
        first = str(problem).strip().split("\n")[0][:200]
        return ConfigError(
            f"cannot load {part} of {self.path!r}: {type(problem).__name__}: {first}",
            key=self.key, hint="give a folder in diffusers' layout with safetensors, or a hub name you can reach",
        )  # fmt: skip


def refuse_differences(
    what: str, missing: Sequence[str], unexpected: Sequence[str], shapes: Sequence[str] = (), key: str = "prior.path"
) -> None:
    """Stop where tensors of a checkpoint are missing, unexpected or of another shape.

    Raises:
        ConfigError: naming the first of them.
    """
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    found = [f"{len(names)} {kind} ({_some(sorted(names))})" for kind, names in kinds.items() if names]
    if found:
        raise ConfigError(
            f"{what} does not fit the model it is for: tensors {', '.join(found)}", key=key,
            hint="the file is incomplete, or of another model",
        )  # fmt: skip


def picture_size(side: int, vae: Any) -> int:
    """The side in pixels of the pictures of a model that denoises squares of this side."""
    return side if vae is None else side * 2 ** (len(vae.config.block_out_channels) - 1)


def _some(names: Sequence[str]) -> str:
    rest = len(names) - SHOWN_NAMES
    return ", ".join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def arithmetic(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """The context in which a network of float32 weights computes in `dtype`."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def run_unet(
    unet: Any,
    inputs: Float[Tensor, "B I h w"],
    steps: Int[Tensor, " B"],
    text: Float[Tensor, "B L D"],
    dtype: torch.dtype,
    **told: Any,
) -> Float[Tensor, "B O h w"]:
    """What a UNet2DConditionModel gives, in float32.

    Args:
        inputs: noisy latents, and what else it takes beside them.
        text: embeddings that it attends to.
        dtype: of its arithmetic.
        told: what else it is told, by its names (class_labels, added_cond_kwargs ...).
    """
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    with arithmetic(inputs.device, dtype):
        return unet(inputs, steps, text, **told).sample.float()


class Pictures:
    """The way between pictures and what a model denoises.

    Args:
        vae: diffusers' autoencoder; none: the model denoises pixels.
        size: picture side that the model is given.
        device: where to compute.
        offload: keep the autoencoder on the CPU until it is used.
    """

    def __init__(self, vae: Any, size: int, device: torch.device, offload: bool = False) -> None:
        self.vae, self.size, self.device = vae, size, device
        if vae is not None and not offload:
            vae.to(device)

    def encode(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """Pictures in [0, 1] -> latents, scaled; or pixels in [-1, 1]."""
        return self.compress(self.pixels(rgb))

    @torch.no_grad()
    def decode(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B H W 3"]:
        """The inverse, cut to [0, 1]."""
        return self.rgb(self.expand(latents))

    def pixels(self, rgb: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3 size size"]:
        """Pictures in [0, 1] -> pixels in [-1, 1] of the size that the model is given."""
        pixels = rgb.to(self.device).permute(0, 3, 1, 2) * 2 - 1
        if pixels.shape[-1] == self.size:
            return pixels
        return interpolate(pixels, (self.size, self.size), mode="bilinear", align_corners=False)

    def rgb(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
        """Pixels in [-1, 1] -> pictures, cut to [0, 1]."""
        return (pixels / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)

    def compress(self, pixels: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B C h w"]:
        """Pixels of any size -> latents, scaled; without an autoencoder, the pixels."""
        if self.vae is None:
            return pixels
        latents = self.vae.to(self.device).encode(pixels).latent_dist.mean
        return latents * self.vae.config.scaling_factor

    @torch.no_grad()
    def expand(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B 3 H W"]:
        """The inverse."""
        return latents if self.vae is None else self.vae.to(self.device).decode(self.unscaled(latents)).sample

    def unscaled(self, latents: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Latents as the autoencoder has them."""
        return latents if self.vae is None else latents / self.vae.config.scaling_factor
