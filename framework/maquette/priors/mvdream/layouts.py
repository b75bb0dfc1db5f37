"""Loading of MVDream checkpoints: the original single file, its diffusers port, and maquette's diffusers layout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.diffusion.noise import DiscreteSchedule, schedule_of
from maquette.diffusion.noise.scaled_linear import SCALED_LINEAR_BETAS
from maquette.errors import ConfigError
from maquette.perception.tokens import TextLimit, most_tokens, text_limit
from maquette.priors.autoencoder import trained_size
from maquette.priors.text.clip_texts import clip_embeddings
from maquette.weights import ldm, ldm_clip
from maquette.weights.diffusers_folder import Weights
from maquette.weights.families import CAMERA_CLASSES, PORTED_MVDREAM
from maquette.weights.loading import refuse_differences
from maquette.weights.single_file import BASES, CLIP, OPEN_CLIP, UNET, VAE
from maquette.weights.tensor_files import read_tensors

FILES = (".pt", ".ckpt", ".safetensors")
FILE_SIZE = 256  # picture side in pixels that the single files were trained on


@dataclass(frozen=True)
class Parts:
    """The networks and settings of a multi-view model.

    Args:
        unet: UNet2DConditionModel that takes cameras as class labels.
        vae: AutoencoderKL; None: the model denoises pixels.
        noise_schedule: its noise process.
        size: picture side in pixels.
        text_encoder_id: cache key of the text encoder.
        encode_texts: texts -> embeddings [n, L, D]; the text encoder is loaded for each call.
        load_limit: how long a text may be; the tokenizer is loaded for each call.
    """

    unet: Any
    vae: Any
    noise_schedule: DiscreteSchedule
    size: int
    text_encoder_id: str
    encode_texts: Callable[[Sequence[str]], Float[Tensor, "n L D"]]
    load_limit: Callable[[], TextLimit]


def is_file(path: str) -> bool:
    """Whether the ending of a path is that of a single checkpoint file."""
    return path.endswith(FILES)


def from_file(path: str, tokenizer: str) -> Parts:
    """Load an original checkpoint; pickles are read weights-only, so that no code in them runs.

    Args:
        path: the file.
        tokenizer: folder or hub model with a `tokenizer/`; "": that of the base model.

    Raises:
        ConfigError: tensors are missing, unexpected or of another shape.
    """
    from diffusers import DDPMScheduler
    from transformers import AutoTokenizer

    file = Path(path).expanduser()
    state = read_tensors(file, "prior.path")
    prefixes = (UNET, VAE, OPEN_CLIP, CLIP)
    foreign = [name for name in state if "." in name and not name.startswith(prefixes)]
    refuse_differences(str(file), (), foreign)
    prefix = CLIP if any(name.startswith(CLIP) for name in state) else OPEN_CLIP
    scheduler: Any = DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=SCALED_LINEAR_BETAS[0], beta_end=SCALED_LINEAR_BETAS[1]
    )

    def load_tokenizer() -> Any:
        return Weights(tokenizer or BASES[prefix]).load(AutoTokenizer, "tokenizer")

    def load_limit() -> TextLimit:
        words = load_tokenizer()
        return text_limit(words, most_tokens(words))

    def encode_texts(texts: Sequence[str]) -> Tensor:
        clip_tokenizer = load_tokenizer()
        build = ldm_clip.clip if prefix == CLIP else ldm_clip.open_clip
        tensors = ldm.tensors_with_prefix(read_tensors(file, "prior.path"), prefix)
        encoder = build(tensors, f"the text encoder in {file}")
        return clip_embeddings(clip_tokenizer, encoder, texts)

    facts = file.stat()
    return Parts(
        ldm.unet(ldm.tensors_with_prefix(state, UNET), f"the UNet in {file}", **CAMERA_CLASSES),
        ldm.vae(ldm.tensors_with_prefix(state, VAE), f"the autoencoder in {file}"),
        schedule_of(scheduler, torch.device("cpu")),
        FILE_SIZE,
        f"{file.name}/{facts.st_size}/{facts.st_mtime_ns}/{tokenizer}",
        encode_texts,
        load_limit,
    )


def from_folder(path: str, size: int = 0) -> Parts:
    """Load a model in diffusers layout, with the port's UNet or a diffusers UNet that takes cameras.

    Args:
        path: folder, a plugin's weights or hub name.
        size: side of its pictures in pixels, where its config does not say; 0: it does.

    Raises:
        ConfigError: a part cannot be read, is incomplete, or belongs to another kind of model.
    """
    from transformers import AutoTokenizer, CLIPTextModel

    weights = Weights(path)
    scheduler, vae = weights.scheduler(), weights.vae()
    config = weights.config("unet")
    if config.get("_class_name") == PORTED_MVDREAM:
        if config.get("ip_dim"):
            raise ConfigError(f"{path!r} continues a picture (ImageDream), which this prior cannot", key="prior.path")
        unet: Any = ldm.unet(weights.tensors("unet"), f"unet of {path!r}", **CAMERA_CLASSES)
        side = config["image_size"]
    else:
        unet = weights.unet()
        if any(unet.config[key] != value for key, value in CAMERA_CLASSES.items()):
            raise ConfigError(
                f"{path!r} takes no cameras", key="prior.path", hint="for a text-to-image model use stable-diffusion"
            )
        side = unet.config.sample_size

    def load_limit() -> TextLimit:
        tokenizer = weights.load(AutoTokenizer, "tokenizer")
        positions = weights.config("text_encoder").get("max_position_embeddings")
        return text_limit(tokenizer, most_tokens(tokenizer, positions))

    def encode_texts(texts: Sequence[str]) -> Tensor:
        tokenizer = weights.load(AutoTokenizer, "tokenizer")
        return clip_embeddings(tokenizer, weights.load_network(CLIPTextModel, "text_encoder"), texts)

    schedule = schedule_of(scheduler, torch.device("cpu"))
    return Parts(unet, vae, schedule, trained_size(side, vae, size), weights.text_encoder_id, encode_texts, load_limit)
