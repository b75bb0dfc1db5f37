"""What a pretrained model holds and which priors take it, by the readers that the priors load it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from maquette.errors import ConfigError
from maquette.loaded import Loaded
from maquette.perception.tokens import most_tokens
from maquette.priors.mvdream.layouts import UNET as LDM_UNET
from maquette.priors.mvdream.layouts import from_file
from maquette.priors.text.deepfloyd_if import TOKENS
from maquette.priors.zero123.ldm import PROJECTION, LdmParts
from maquette.weights.diffusers_folder import Weights
from maquette.weights.families import PORTED_MVDREAM, PROJECTIONS, RAMP, prior_types, text_encoders
from maquette.weights.ldm import unet as ldm_unet
from maquette.weights.loading import check_path
from maquette.weights.single_file import SingleFile
from maquette.weights.tensor_files import read_tensors

NETWORKS = ("unet", "vae", "text_encoder", "text_encoder_2", "image_encoder", "vision_encoder")
"""Parts with tensors that priors read."""
LIGHT = (
    "scheduler", "tokenizer", "tokenizer_2", "feature_extractor", "feature_extractor_clip", "feature_extractor_vae",
)  # fmt: skip
"""Parts without tensors that priors read."""
WITH_PICKLES = ("zero123", "zero123plus")
"""Priors that take `.bin` files where there are no safetensors."""
CAMERAS = f"{LDM_UNET}camera_embed."
"""Prefix of MVDream's camera embedding in its single files."""


@dataclass
class _Account:
    """What is noted while the parts of a model are read."""

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    misshapen: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return not (self.missing or self.unexpected or self.misshapen)

    def add(self, part: str, network: Any, dtype: str, variant: str | None = None) -> None:
        self.parts[part] = {
            "class": type(network).__name__, "parameters": sum(tensor.numel() for tensor in network.parameters()),
            "dtype": dtype, "variant": variant,
        }  # fmt: skip


def inspect_prior(path: str) -> Loaded[None]:
    """What a pretrained model holds; networks are loaded one by one, as a prior would, and dropped.

    Args:
        path: folder or hub repository in diffusers' layout, name of weights that a plugin carries, or a single file of
            Stable Diffusion 1 or 2, the original Zero-1-to-3 or MVDream.

    Returns:
        An account without a value. Its facts: class, parts (part -> class, parameters, dtype, variant), parameters,
        dtype, scheduler, prediction_type, beta_schedule, timesteps, sample_size, text_tokens, missing_keys,
        unexpected_keys, misshapen_keys, usable_for (types of priors).

    Raises:
        ConfigError: what a run with this model would raise, other than for missing and unexpected tensors.
    """
    file = Path(path).expanduser()
    if file.is_file():
        return _inspect_file(file)
    try:
        check_path(path)
    except ValueError as problem:
        raise ConfigError(str(problem)) from problem
    return _inspect_folder(path)


def _inspect_folder(path: str) -> Loaded[None]:
    weights = Weights(path)
    classes = _classes(weights)
    unet = weights.config("unet") if "unet" in classes else {}
    vae = weights.config("vae") if "vae" in classes else {}
    users = prior_types(classes, unet, vae.get("latent_channels"))
    weights = Weights(path, pickles=bool(set(users) & set(WITH_PICKLES)))
    scheduler, account = weights.scheduler(), _Account()
    for part in NETWORKS:
        if part in classes:
            _read(weights, part, unet, account)
    warnings = [] if account.complete else ["its tensors do not fit its networks, so that no prior takes it"]
    if not users:
        warnings.append(_unusable(classes, unet, vae))
    read = {*NETWORKS, *LIGHT, *PROJECTIONS, RAMP}
    return Loaded(
        None, "prior", "diffusers",
        used=tuple(part for part in classes if part in read),
        ignored=tuple(part for part in classes if part not in read),
        warnings=tuple(warnings),
        facts={
            "class": weights.index.get("_class_name"),
            **_schedule_facts(scheduler, weights.part_class("scheduler")),
            "sample_size": unet.get("sample_size"),
            "text_tokens": _text_tokens(weights, classes),
            **_account_facts(account),
            "usable_for": list(users) if account.complete else [],
        },
    )  # fmt: skip


def _classes(weights: Weights) -> dict[str, str]:
    """Part -> class of all parts that `model_index.json` names; RAMP -> "" where it has that."""
    classes = {}
    for part, entry in weights.index.items():
        if part == RAMP:
            classes[part] = ""
        elif isinstance(entry, list) and (name := weights.part_class(part)) is not None:
            classes[part] = name
    return classes


def _read(weights: Weights, part: str, unet: Mapping[str, Any], account: _Account) -> None:
    """Load one network, and add it to the account."""
    import diffusers
    import transformers

    name = weights.part_class(part)
    if name == PORTED_MVDREAM:
        tensors = weights.tensors(part)
        dtype = str(next(iter(tensors.values())).dtype).removeprefix("torch.")
        account.add(part, ldm_unet(tensors, f"{part} of {weights.path!r}", class_embed_type="projection",
                                   projection_class_embeddings_input_dim=16), dtype)  # fmt: skip
        return
    cls = getattr(diffusers, str(name), None) or getattr(transformers, str(name), None)
    if cls is None:
        raise ConfigError(f"{part} of {weights.path!r} is of the class {name}, which is unknown here", key=weights.key)
    report = weights.report_network(cls, part)
    dtypes, variant = (report.files.dtypes, report.files.variant) if report.files else ([], None)
    account.add(part, report.network, dtypes[0] if dtypes else "", variant)
    account.missing += [f"{part}.{tensor}" for tensor in report.missing]
    account.unexpected += [f"{part}.{tensor}" for tensor in report.unexpected]
    account.misshapen += [f"{part}.{tensor}" for tensor in report.misshapen]


def _text_tokens(weights: Weights, classes: Mapping[str, str]) -> int | None:
    if "tokenizer" not in classes or "text_encoder" not in classes:
        return None
    if classes["text_encoder"] == "T5EncoderModel":
        return TOKENS
    from transformers import AutoTokenizer

    positions = weights.config("text_encoder").get("max_position_embeddings")
    return most_tokens(weights.load(AutoTokenizer, "tokenizer"), positions)


def _unusable(classes: Mapping[str, str], unet: Mapping[str, Any], vae: Mapping[str, Any]) -> str:
    encoders = " and ".join(text_encoders(classes)) or "none"
    return (
        f"no prior here is for such a model: text encoders {encoders}, a UNet of {unet.get('in_channels')} input "
        f"channels, {'latents of ' + str(vae.get('latent_channels')) + ' channels' if vae else 'no autoencoder'}"
    )


def _inspect_file(file: Path) -> Loaded[None]:
    tensors = read_tensors(file, "prior.path")
    account, users = _Account(), tuple[str, ...]()
    dtypes = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors.values() if tensor.is_floating_point()}
    dtype = " and ".join(sorted(dtypes))
    if PROJECTION[0] in tensors:
        parts = LdmParts(tensors, file.name)
        scheduler, name, users = parts.scheduler(), "Zero123", ("zero123",)
        networks = {"unet": parts.unet(), "vae": parts.vae(), "image_encoder": parts.image_encoder()}
        prediction, betas, timesteps = "epsilon", scheduler.config.beta_schedule, scheduler.config.num_train_timesteps
        parts.projection()
    elif any(tensor.startswith(CAMERAS) for tensor in tensors):
        loaded = from_file(str(file), "")
        name, users, networks = "MVDream", ("mvdream",), {"unet": loaded.unet, "vae": loaded.vae}
        schedule = loaded.noise_schedule
        prediction, betas, timesteps = schedule.prediction, "scaled_linear", schedule.timesteps
    else:
        model = SingleFile(str(file))
        name, users = "StableDiffusion", ("stable-diffusion", "controlnet")
        encoder = model.load_network(None, "text_encoder")
        networks = {"unet": model.unet(), "vae": model.vae(), "text_encoder": encoder}
        prediction, betas, timesteps = model.prediction, "scaled_linear", model.scheduler().config.num_train_timesteps
    for part, network in networks.items():
        account.add(part, network, dtype)
    return Loaded(
        None, "prior", "single file", used=tuple(networks),
        facts={
            "class": name, "scheduler": None, "prediction_type": prediction, "beta_schedule": betas,
            "timesteps": timesteps, "sample_size": networks["unet"].config.sample_size, "text_tokens": None,
            **_account_facts(account), "usable_for": list(users),
        },
    )  # fmt: skip


def _schedule_facts(scheduler: Any, name: str | None) -> dict[str, Any]:
    config = scheduler.config
    betas = config.beta_schedule if config.trained_betas is None else "trained_betas"
    return {
        "scheduler": name, "prediction_type": config.prediction_type, "beta_schedule": betas,
        "timesteps": len(scheduler.alphas_cumprod),
    }  # fmt: skip


def _account_facts(account: _Account) -> dict[str, Any]:
    return {
        "parts": account.parts,
        "parameters": sum(part["parameters"] for part in account.parts.values()),
        "dtype": account.parts.get("unet", {}).get("dtype"),
        "missing_keys": account.missing,
        "unexpected_keys": account.unexpected,
        "misshapen_keys": account.misshapen,
    }
