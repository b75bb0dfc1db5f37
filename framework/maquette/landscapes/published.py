"""The published checkpoint of SceneDreamer: its names and shapes, and how they become ours.

The file's `net_G` holds the generator. Keys and shapes fit one to one, except for what is listed in MISSING and
UNEXPECTED. Values go over unchanged, but the published grid is another function of its table: its levels have
2^(l log2 b) N - 1 cells, shifted by half a cell, where ours (and the paper's) has floor(N b^l); pictures of converted
weights therefore differ from those of the authors' code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.landscapes.generator import Generator, GeneratorSizes
from maquette.weights.loading import load_tensors
from maquette.weights.tensor_files import read_tensors

MISSING = ("scene_encoder.mean", "scene_encoder.whitening")
"""Ours that the file does not have; they stay as they are: no standardisation."""

UNEXPECTED = ("hash_encoder.offsets",)
"""The file's that we compute: first rows of the levels."""

_MODULATED = (("weight", "weight"), ("weight_alpha", "scale"), ("bias_alpha", "scale_bias"),
              ("weight_beta", "shift"), ("bias_beta", "shift_bias"))  # fmt: skip
_LINEAR = (("weight", "weight"), ("bias", "bias"))


def _entries() -> Iterable[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """(published module, our module, (published tensor, our tensor) of each)."""
    weight = _LINEAR[:1]
    yield "world_encoder.hconv_head", "scene_encoder.height", _LINEAR
    yield "world_encoder.sconv_head", "scene_encoder.classes", _LINEAR
    for block in range(5):
        yield f"world_encoder.conv_blocks.{block}.layers.0", f"scene_encoder.blocks.{block}.same", weight
        yield f"world_encoder.conv_blocks.{block}.layers.2", f"scene_encoder.blocks.{block}.halved", weight
    yield "world_encoder.fc1", "scene_encoder.first", _LINEAR
    yield "world_encoder.fc2", "scene_encoder.second", _LINEAR
    yield "hash_encoder", "field", (("embeddings", "table"),)
    yield "render_net.fc_m_a", "field.label", weight
    yield "render_net.fc_1", "field.first", _LINEAR
    for layer in range(3):
        yield f"render_net.fc_{layer + 2}", f"field.shared.{layer}", _MODULATED
    yield "render_net.fc_sigma", "field.density", _LINEAR
    for layer in range(2):
        yield f"render_net.fc_{layer + 5}", f"field.colored.{layer}", _MODULATED
    yield "render_net.fc_out_c", "field.features", _LINEAR
    for layer in range(5):
        yield f"style_net.fc_layers.{layer}", f"style_network.layers.{layer}", _LINEAR
    yield "style_net.fc_out", "style_network.last", _LINEAR
    yield "sky_net.fc_z_a", "sky.style", weight
    for layer in range(5):
        yield f"sky_net.fc{layer + 1}", f"sky.layers.{layer}", _LINEAR
    yield "sky_net.fc_out_c", "sky.features", _LINEAR
    yield "denoiser.fc_z_cond", "decoder.style", _LINEAR
    yield "denoiser.conv1", "decoder.first", _LINEAR
    for block in range(2):
        yield f"denoiser.conv{block + 2}a", f"decoder.wide.{block}.inner", _LINEAR
        yield f"denoiser.conv{block + 2}b", f"decoder.wide.{block}.outer", weight
    yield "denoiser.conv4a", "decoder.narrow.inner", _LINEAR
    yield "denoiser.conv4b", "decoder.narrow.outer", _LINEAR
    yield "denoiser.conv4", "decoder.last", _LINEAR
    for layer in range(6):
        yield f"style_encoder.layer{layer + 1}.layers.conv", f"style_encoder.layers.{layer}", _LINEAR
    yield "style_encoder.fc_mu.layers.conv", "style_encoder.mean", _LINEAR
    yield "style_encoder.fc_var.layers.conv", "style_encoder.log_variance", _LINEAR


NAMES: dict[str, str] = {
    f"{theirs}.{tensor}": f"{ours}.{name}" for theirs, ours, tensors in _entries() for tensor, name in tensors
}
"""Published key -> ours."""


@dataclass(frozen=True)
class Converted:
    """Tensors under our names, and what did not fit.

    Attributes:
        tensors: our key -> tensor.
        missing: published keys that the file lacks.
        unexpected: keys of the file that nothing of ours takes.
    """

    tensors: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def convert(published: Mapping[str, Tensor]) -> Converted:
    """Rename the tensors of the published `net_G`, with or without the prefix `module.`.

    Example:
        >>> import torch
        >>> converted = convert({"module.world_encoder.fc2.bias": torch.zeros(2), "other": torch.zeros(1)})
        >>> list(converted.tensors), converted.unexpected, len(converted.missing) == len(NAMES) - 1
        (['scene_encoder.second.bias'], ('other',), True)
    """
    plain = {re.sub(r"^(module\.)+", "", name): value for name, value in published.items()}
    tensors = {ours: plain[theirs] for theirs, ours in NAMES.items() if theirs in plain}
    missing = tuple(name for name in NAMES if name not in plain)
    unexpected = tuple(name for name in plain if name not in NAMES and name not in UNEXPECTED)
    return Converted(tensors, missing, unexpected)


def load_generator(path: str, samples: int = 0, key: str = "weights") -> Generator:
    """A generator: what the learner `landscape` saved, or the published checkpoint.

    Args:
        path: the name of weights that a plugin carries, a folder, or the published file.
        samples: along a ray; 0: as many as it was trained with, 24 for the published one.
        key: config key, for messages.

    Raises:
        ConfigError: it cannot be loaded, or tensors are missing, unexpected or of another shape; naming them.
    """
    if not path:
        raise ConfigError(
            "no generator of landscapes is given", key=key, hint="give its weights: landscape.weights=FILE"
        )
    file = Path(path).expanduser()
    generator = _published(file, key) if file.is_file() else Generator.load(path, key)
    if samples:
        generator.architecture = replace(generator.architecture, samples=samples)
    return generator


def _published(file: Path, key: str) -> Generator:
    converted = convert(read_tensors(file, key, "net_G"))
    if converted.missing or converted.unexpected:
        raise ConfigError(
            f"{display_path(file)} is no published generator: missing {_few(converted.missing)}, "
            f"unexpected {_few(converted.unexpected)}", key=key, hint="give the file that the authors released",
        )  # fmt: skip
    generator = Generator(GeneratorSizes())
    own = {name: generator.state_dict()[name] for name in MISSING}
    load_tensors(generator, {**converted.tensors, **own}, "the published generator of landscapes", key)
    return generator.eval().requires_grad_(False)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "nothing"
