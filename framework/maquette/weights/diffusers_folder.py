"""Models in diffusers layout: locating, loading and running their parts."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.errors import ConfigError
from maquette.weights.embedding_cache import text_encoder_hash
from maquette.weights.hub import hub_arguments, hub_file
from maquette.weights.loading import NetworkReport, quiet, read_network, report_network, unreadable, weights_source
from maquette.weights.part_files import part_files
from maquette.weights.raw_files import read_json, readable_folder
from maquette.weights.schedulers import noise_scheduler
from maquette.weights.tensor_files import read_tensors

DtypeName = Literal["auto", "float32", "float16", "bfloat16"]
LAYOUT = "give a folder in diffusers' layout with safetensors, or a hub name you can reach"
NETWORK_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
ONEDNN_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX2_VNNI_2", "AVX512_CORE", "AVX512_CORE_VNNI")
"""Values of oneDNN's ONEDNN_MAX_CPU_ISA that rule out its arithmetic in bfloat16."""


def choose_dtype(name: DtypeName, device: torch.device) -> torch.dtype:
    """The dtype of a network's arithmetic; "auto": half precision if the device is faster with it."""
    if name != "auto":
        return NETWORK_DTYPES[name]
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if _cpu_computes_bfloat16() else torch.float32


def _cpu_computes_bfloat16() -> bool:
    """Whether the CPU has bfloat16 instructions, and neither torch nor oneDNN is restricted to a set without them.

    Without them a convolution in bfloat16 takes up to ninety times as long as in float32.
    """
    if not (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()):
        return False
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return torch.backends.cpu.get_cpu_capability() == "AVX512" and limit.upper() not in ONEDNN_WITHOUT_BFLOAT16


class Weights:
    """A model in diffusers layout; its parts are loaded one by one.

    Args:
        path: folder, name of weights that a plugin carries, or hub repository.
        pickles: accept `.bin` files if there are no safetensors; both libraries read them weights-only.
        key: config key that messages name.
    """

    def __init__(self, path: str, pickles: bool = False, key: str = "prior.path") -> None:
        self.path, self.source, self.key = path, weights_source(path), key
        self._safetensors = None if pickles else True

    @property
    def text_encoder_id(self) -> str:
        """Cache key of the model's text encoders: a hash of their files, or the hub name."""
        folder = Path(self.source)
        return text_encoder_hash(folder) if folder.is_dir() else self.source

    @cached_property
    def index(self) -> dict[str, Any]:
        """`model_index.json`: part -> [library, class]."""
        path = self.find("model_index.json")
        if path is None:
            raise ConfigError(
                f"not a model in diffusers' layout: {Path(self.source) / 'model_index.json'} is missing", key=self.key
            )
        return read_json(path, self.key)

    def part_class(self, part: str) -> str | None:
        """The class of a part; None: the model has none of that name.

        Raises:
            ConfigError: `model_index.json` has something else than [library, class] for it.
        """
        entry = self.index.get(part)
        if entry is None or entry == [None, None]:
            return None
        if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(name, str) for name in entry)):
            raise ConfigError(
                f"model_index.json of {self.path!r} has {entry!r} for {part}, and [library, class] is right",
                key=self.key,
            )
        return entry[1]

    def has(self, part: str) -> bool:
        """Whether the model has a part of that name."""
        return self.part_class(part) is not None

    def refuse_without(self, kind: str, *parts: str) -> None:
        """Check that the model has these parts.

        Args:
            kind: kind of model that has them.
            parts: their names.

        Raises:
            ConfigError: naming the missing ones.
        """
        if missing := [part for part in parts if self.index.get(part) in (None, [None, None])]:
            raise ConfigError(
                f"{self.path!r} is no {kind} model: model_index.json names no {', '.join(missing)}", key=self.key
            )

    def config(self, part: str) -> dict[str, Any]:
        """The `config.json` of a part."""
        return read_json(self.file(f"{part}/config.json"), self.key)

    def find(self, name: str) -> Path | None:
        """A file by its path inside the model, downloaded if need be; None if there is none of that name."""
        folder = Path(self.source)
        if folder.is_dir():
            return folder / name if (folder / name).is_file() else None
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

        try:
            return hub_file(self.source, name)
        except LocalEntryNotFoundError as problem:  # the hub cannot be reached
            raise self.unreadable(name, problem) from problem
        except EntryNotFoundError:
            return None
        except (OSError, ValueError) as problem:
            raise self.unreadable(name, problem) from problem

    def file(self, *names: str) -> Path:
        """The first file that exists under one of these names.

        Raises:
            ConfigError: none exists.
        """
        path = next((path for name in names if (path := self.find(name)) is not None), None)
        if path is None:
            raise ConfigError(f"{self.path!r} has no {names[0]}", key=self.key, hint="is it complete?")
        return path

    def load(self, cls: Any, part: str) -> Any:
        """A part without weights of its own, such as a tokenizer."""
        folder = Path(self.source) / part
        try:
            with quiet(self.source):
                if not Path(self.source).is_dir():
                    place, revision = hub_arguments(self.source)
                    return cls.from_pretrained(place, subfolder=part, **revision)
                with readable_folder(folder, self.key) as readable:
                    return cls.from_pretrained(str(readable))
        except ConfigError:
            raise
        except Exception as problem:  # json, hub and key errors have no common base
            raise self.unreadable(part, problem) from problem

    def scheduler(self) -> Any:
        """diffusers' DDPMScheduler of the noise process that the model was trained on; see `noise_scheduler`."""
        path = self.file("scheduler/scheduler_config.json")
        return noise_scheduler(read_json(path, self.key), path, self.part_class("scheduler") or "", self.key)

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Name -> tensor of a part that is no network of diffusers: whole, in shards or in a variant; all finite."""
        folder, pickles = Path(self.source) / part, self._safetensors is None
        if not Path(self.source).is_dir():
            endings = (".safetensors", ".bin") if pickles else (".safetensors",)
            folder = self.file(*(f"{part}/diffusion_pytorch_model{ending}" for ending in endings)).parent
        paths = part_files(folder, pickles, self.key).paths
        return {name: tensor for path in paths for name, tensor in read_tensors(path, self.key).items()}

    def unet(self) -> Any:
        """diffusers' UNet2DConditionModel."""
        from diffusers import UNet2DConditionModel

        return self.load_network(UNet2DConditionModel, "unet")

    def vae(self) -> Any:
        """diffusers' AutoencoderKL; None: the model denoises pixels."""
        from diffusers import AutoencoderKL

        return self.load_network(AutoencoderKL, "vae") if self.has("vae") else None

    def load_network(self, cls: Any, part: str) -> Any:
        """A frozen network in float32, with all of its tensors in the file; part "": the model is a single network."""
        return read_network(cls, self.source, self._what(cls, part), self.key, LAYOUT, **self._settings(part))

    def report_network(self, cls: Any, part: str) -> NetworkReport:
        """A network as `load_network` loads it, with its missing and unexpected tensors listed, not refused."""
        return report_network(cls, self.source, self._what(cls, part), self.key, LAYOUT, **self._settings(part))

    def _what(self, cls: Any, part: str) -> str:
        return f"{part or cls.__name__} of {self.path!r}"

    def _settings(self, part: str) -> dict[str, Any]:
        return {
            "subfolder": part, "use_safetensors": self._safetensors, "torch_dtype": torch.float32,
            "low_cpu_mem_usage": False,  # which would need accelerate
        }  # fmt: skip

    def unreadable(self, part: str, problem: Exception) -> ConfigError:
        """The error that a part cannot be loaded."""
        return unreadable(f"{part} of {self.path!r}", problem, self.key, LAYOUT)


def arithmetic(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """The context in which a network of float32 weights computes in `dtype`."""
    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


def run_unet(
    unet: Any,
    inputs: Float[Tensor, "B I h w"],
    t: Int[Tensor, " B"],
    text: Float[Tensor, "B L D"],
    dtype: torch.dtype,
    **conditioning: Any,
) -> Float[Tensor, "B O h w"]:
    """The output of a UNet2DConditionModel, in float32.

    Args:
        inputs: noisy latents, and channels concatenated to them.
        t: timesteps.
        text: embeddings for its cross-attention.
        dtype: of its arithmetic.
        conditioning: further inputs by name (class_labels, added_cond_kwargs ...).
    """
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    with arithmetic(inputs.device, dtype):
        return unet(inputs, t, text, **conditioning).sample.float()
