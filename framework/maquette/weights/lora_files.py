"""Reading of LoRA files of every program: low-rank additions by part and layer.

Source: Hu et al. 2021 (LoRA, arXiv 2106.09685), sec. 4.1; rsLoRA: Kalajdzievski 2023 (arXiv 2312.03732).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from maquette.errors import ConfigError
from maquette.loaded import Loaded
from maquette.weights.families import lora_users
from maquette.weights.lora_names import LEARNED_WORDS, PARTS, PEFT, Part, other_kind, role_of
from maquette.weights.raw_files import check_tensor_file, is_safetensors, read_json, refuse_non_finite

KEY = "prior.lora"
HINT = "a LoRA fits the family of models it was trained on"
NOTES = "lora_adapter_metadata"
"""Entry of a file's metadata in which diffusers stores settings."""
SETTINGS = "adapter_config.json"
"""File beside a LoRA in which peft stores settings."""
NAMES = ("adapter_model.safetensors", "pytorch_lora_weights.safetensors")
"""Names that peft and diffusers give to LoRA files."""
UNSUPPORTED = ("use_dora", "lora_bias", "modules_to_save", "trainable_token_indices", "megatron_config")
"""Settings under which the additions are computed differently."""


@dataclass
class Addition:
    """The factors of one layer's addition: ratio times up @ down, or with a kernel between them.

    Args:
        keys: names of its tensors in the file.
        up, down: [out, r, ...] and [r, in, ...].
        mid: kernel between the two, [r, r, h, w].
        alpha: scale of the addition times r; None: r.
        dotted: name of its layer in the file.
    """

    dotted: str
    keys: list[str] = field(default_factory=list)
    up: Tensor | None = None
    down: Tensor | None = None
    mid: Tensor | None = None
    alpha: float | None = None
    root: bool = False  # alpha is divided by the root of r

    @property
    def rank(self) -> int:
        """r."""
        return 0 if self.down is None else len(self.down)

    @property
    def ratio(self) -> float:
        """alpha / r, or alpha over the root of r."""
        divisor = math.sqrt(self.rank) if self.root else self.rank
        return 1.0 if self.alpha is None else self.alpha / divisor

    @property
    def shapes(self) -> str:
        """The shapes of its factors, for messages."""
        assert self.up is not None and self.down is not None, "read_lora refuses halves"
        return f"{list(self.up.shape)} times {list(self.down.shape)}"

    def product(self) -> Tensor:
        """The addition to the weight, flattened to two dimensions, scaled by alpha / r."""
        assert self.up is not None and self.down is not None, "read_lora refuses halves"
        up, down = self.up.float().flatten(1), self.down.float()
        if self.mid is not None:
            down = torch.einsum("rshw,si->rihw", self.mid.float(), down.flatten(1))
        return self.ratio * up @ down.flatten(1)


@dataclass(frozen=True, eq=False)
class Lora:
    """The additions of a LoRA file, part -> normalized layer -> addition."""

    path: Path
    additions: Mapping[Part, Mapping[str, Addition]]


def lora_file(path: str | Path) -> Path:
    """The file of a LoRA: the path itself, or the one in a folder that peft or diffusers wrote.

    Raises:
        ValueError: there is none.
    """
    place = Path(path).expanduser()
    if not place.is_dir():
        if not place.is_file():
            raise ValueError(f"path: there is no file {path}")
        return place
    names = sorted(file.name for file in place.glob("*.safetensors"))
    name = next((name for name in NAMES if name in names), names[0] if len(names) == 1 else "")
    if not name:
        raise ValueError(f"path: the folder {path} has {', '.join(names) or 'no safetensors'}; name the LoRA's file")
    return place / name


def is_lora(path: str | Path) -> bool:
    """Whether a file or folder is a LoRA or of a related kind, by the names of its tensors or its settings."""
    try:
        file = lora_file(path)
        with safe_open(file, "pt") as tensors:
            keys = list(tensors.keys())
    except Exception:  # whatever is wrong with the file, it is not known to be a LoRA
        return False
    return any(role_of(key) is not None for key in keys) or other_kind(keys) is not None


def inspect_lora(path: str | Path) -> Loaded[Lora]:
    """What a LoRA file or folder holds; the same as `read_lora`, with errors about the path as ConfigError."""
    try:
        return read_lora(path)
    except ValueError as problem:
        raise ConfigError(str(problem).removeprefix("path: ")) from problem


def read_lora(path: str | Path) -> Loaded[Lora]:
    """Read a LoRA file in the names of any program; whole, finite, and with both halves of each addition.

    Raises:
        ConfigError: it is no such file, of a kind that is computed differently, incomplete or not finite.
    """
    file = lora_file(path)
    tensors, notes = _open(file)
    refuse_non_finite(tensors.items(), str(file), KEY)
    words = [key for key in tensors if key.startswith(LEARNED_WORDS)]
    tensors = {key: tensor for key, tensor in tensors.items() if key not in words}
    if (kind := other_kind(list(tensors))) is not None:
        raise misfit(file, f"is {kind[0]}, which is not read", kind[1], "only LoRAs of two factors per layer are")
    warnings: list[str] = []
    settings = _settings(file, notes, any(PEFT in key for key in tensors), warnings)
    additions, programs = _additions(file, tensors, settings)
    _refuse_incomplete(file, additions)
    ignored = ["learned words in the file (bundle_emb)"] if words else []
    used = [f"{part}: {len(layers)} layers" for part, layers in additions.items() if layers]
    facts = _facts(additions, programs, notes, tensors)
    return Loaded(
        Lora(file, additions), "lora", facts["dialect"], tuple(used), tuple(ignored), tuple(warnings), facts
    )  # fmt: skip


def _open(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The file's tensors and metadata."""
    check_tensor_file(path, KEY)
    if not is_safetensors(path):
        raise ConfigError(f"cannot read a LoRA from {path}", key=KEY, hint="only safetensors are read")
    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except Exception as problem:  # safetensors, dtype and storage errors have no common base
        raise ConfigError(
            f"cannot read a LoRA from {path}: {str(problem).splitlines()[0]}", key=KEY, hint="only safetensors are read"
        ) from problem


def _settings(file: Path, notes: Mapping[str, str], peft: bool, warnings: list[str]) -> dict[str, dict[str, Any]]:
    """Part -> settings of its additions, from the file's metadata and, for "", from peft's file beside it."""
    settings: dict[str, dict[str, Any]] = {}
    for name, value in _notes(notes, warnings).items():
        part, _, setting = name.rpartition(".")
        settings.setdefault(part, {})[setting] = value
    auxiliary = file.with_name(SETTINGS)
    if peft or file.name == NAMES[0]:
        if auxiliary.is_file():
            settings.setdefault("", {}).update(read_json(auxiliary, KEY))
        elif not settings:
            warnings.append(f"there is no {SETTINGS} beside it, so alpha is taken to be the rank")
    for part, own in settings.items():
        _refuse_settings(file, part, own)
    return settings


def _notes(notes: Mapping[str, str], warnings: list[str]) -> dict[str, Any]:
    if NOTES not in notes:
        return {}
    try:
        settings = json.loads(notes[NOTES])
    except (ValueError, RecursionError):
        settings = None
    if not isinstance(settings, dict):
        warnings.append(f"its metadata has {NOTES} that is no JSON mapping, so alpha is taken to be the rank")
        return {}
    return settings


def _refuse_settings(file: Path, part: str, settings: Mapping[str, Any]) -> None:
    name = f"{part}." if part else ""
    if odd := [f"{name}{setting}" for setting in UNSUPPORTED if settings.get(setting)]:
        raise misfit(file, "was trained with settings that are not supported", odd)
    if settings.get("bias", "none") not in ("none", None):
        raise misfit(file, "was trained with settings that are not supported", [f"{name}bias={settings['bias']}"])
    kind = settings.get("peft_type", "LORA")
    if str(kind).rpartition(".")[2].upper() != "LORA":
        raise misfit(file, f"is of the kind {kind}, which is not read", [f"peft_type in {SETTINGS}"])
    for setting in ("lora_alpha", "r"):
        if settings.get(setting) is not None:
            _number(settings[setting], f"{name}{setting}", file)
    patterns = settings.get("alpha_pattern") or {}
    if not isinstance(patterns, dict):
        raise misfit(file, "has settings that are no mapping", [f"{name}alpha_pattern"])
    for pattern, alpha in patterns.items():
        _number(alpha, f"{name}alpha_pattern.{pattern}", file)


def _number(value: Any, name: str, file: Path) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise misfit(file, "has a setting that is no number", [f"{name}={value!r}"])
    return number


def _additions(
    file: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, dict[str, Any]]
) -> tuple[dict[Part, dict[str, Addition]], set[str]]:
    """Part -> layer -> addition, and the programs whose names the file has."""
    additions: dict[Part, dict[str, Addition]] = {part: {} for part in PARTS}
    programs, unknown, text_part = set(), [], _text_part(file, settings)
    for key, tensor in tensors.items():
        role = role_of(key, text_part)
        if role is None:
            unknown.append(key)
            continue
        programs.add(role.program)
        addition = additions[role.part].setdefault(role.layer, Addition(role.dotted))
        addition.keys.append(key)
        if role.factor == "alpha":
            if tensor.numel() != 1:
                raise misfit(file, "has an alpha that is not one number", [key])
            addition.alpha = float(tensor)
            continue
        if getattr(addition, role.factor) is not None:
            raise misfit(file, "has two additions to one layer, of several adapters", addition.keys[-2:])
        if not tensor.is_floating_point() or tensor.ndim < 2:
            raise misfit(file, f"has a factor of {tensor.dtype} with {tensor.ndim} dimensions", [key])
        setattr(addition, role.factor, tensor)
    if unknown:
        raise misfit(file, f"has {len(unknown)} keys that are no LoRA's", unknown)
    for part, layers in additions.items():
        for addition in layers.values():
            _scale(addition, settings.get(part) or settings.get("") or {})
    return additions, programs


def _text_part(file: Path, settings: Mapping[str, dict[str, Any]]) -> Part:
    """The text encoder that peft's file is for: by the name of its folder, or by the class in its settings."""
    mapping = settings.get("", {}).get("auto_mapping")
    base = mapping.get("base_model_class") if isinstance(mapping, dict) else ""
    second = file.parent.name == "text_encoder_2" or base == "CLIPTextModelWithProjection"
    return "text_encoder_2" if second else "text_encoder"


def _scale(addition: Addition, settings: Mapping[str, Any]) -> None:
    """Take alpha from settings where the file's tensors do not state it; a pattern for the layer comes first."""
    if addition.alpha is not None:
        return
    patterns = settings.get("alpha_pattern") or {}
    pattern = next((name for name in patterns if _matches(name, addition.dotted)), None)
    alpha = patterns[pattern] if pattern is not None else settings.get("lora_alpha")
    addition.alpha = None if alpha is None else float(alpha)
    addition.root = bool(settings.get("use_rslora")) and alpha is not None


def _matches(pattern: str, layer: str) -> bool:
    """Whether a pattern of peft's is for a layer: a regular expression for the end of its name."""
    try:
        return re.match(rf"(.*\.)?({pattern})$", layer) is not None
    except re.error:
        return layer == pattern or layer.endswith(f".{pattern}")


def _refuse_incomplete(file: Path, additions: Mapping[Part, Mapping[str, Addition]]) -> None:
    if not any(additions.values()):
        raise misfit(file, "holds no additions", ["it is empty"])
    for layers in additions.values():
        for addition in layers.values():
            if addition.up is None or addition.down is None:
                raise misfit(file, "has one half of an addition without the other", addition.keys)
            if addition.rank == 0 or addition.up.shape[1] != addition.rank:
                shapes = f"{list(addition.up.shape)} and {list(addition.down.shape)}"
                raise misfit(file, f"has two halves that do not fit each other, {shapes}", addition.keys)
            if addition.mid is not None and addition.mid.shape[:2] != (addition.rank, addition.rank):
                raise misfit(file, "has a kernel that does not fit its two halves", addition.keys)


def misfit(path: str | Path, what: str, keys: list[str], hint: str = HINT) -> ConfigError:
    """The error that a LoRA file does not fit, with the first of the keys that show it."""
    listed = ", ".join(keys[:3]) + (" ..." if len(keys) > 3 else "")
    return ConfigError(f"{path} {what}: {listed}", key=KEY, hint=hint)


def _facts(
    additions: Mapping[Part, Mapping[str, Addition]], programs: set[str], notes: Mapping[str, str],
    tensors: Mapping[str, Tensor],
) -> dict[str, Any]:  # fmt: skip
    every = [addition for layers in additions.values() for addition in layers.values()]
    dtypes = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values()})
    crossing = [one for name, one in additions["unet"].items() if name.endswith("attn2_to_k")]
    width = crossing[0].down.shape[1] if crossing and crossing[0].down is not None else None
    return {
        "class": "LoRA",
        "dialect": " and ".join(sorted(programs)),
        "parameters": sum(tensor.numel() for tensor in tensors.values()),
        "dtype": " and ".join(dtypes),
        "layers": {part: len(layers) for part, layers in additions.items() if layers},
        "ranks": sorted({one.rank for one in every}),
        "scales": sorted({one.ratio for one in every}),
        "text_width": width,
        "trained_on": notes.get("ss_base_model_version") or notes.get("modelspec.architecture"),
        "missing_keys": [],
        "unexpected_keys": [],
        "usable_for": list(lora_users(width, bool(additions["text_encoder_2"]))),
    }
