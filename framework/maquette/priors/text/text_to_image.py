"""Base of the text-to-image priors in diffusers layout, for any text encoder."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import InputPath
from maquette.cameras.base import Cameras
from maquette.config.capabilities import Capabilities, trainable_copy
from maquette.diffusion.noise import schedule_of
from maquette.errors import ConfigError
from maquette.perception.tokens import TextLimit, most_tokens, text_limit
from maquette.priors.autoencoder import trained_size
from maquette.priors.base import CopyKind, Request
from maquette.priors.diffusion_prior import DiffusionPrior, NetworkConfig, predict_each
from maquette.priors.text.conditions import (
    TextConditions,
    ViewPrompts,
    text_capabilities,
    text_conditions,
)
from maquette.priors.text.lora import LoraFile, fold_lora
from maquette.priors.text.textual_inversion import (
    LearnedEmbeddings,
    add_embeddings,
    add_names,
    expand_tokens,
    read_embeddings,
)
from maquette.priors.text.unet_copies import UNetCopy
from maquette.weights.diffusers_folder import Weights, run_unet
from maquette.weights.embedding_cache import file_signature
from maquette.weights.families import FAMILIES, text_encoders
from maquette.weights.loading import check_single_file
from maquette.weights.lora_files import lora_file
from maquette.weights.lora_names import Part
from maquette.weights.single_file import SingleFile, is_file


@dataclass(frozen=True)
class TextToImageConfig(NetworkConfig):
    """Settings of a text-to-image prior in diffusers layout."""

    view_dependent: bool = True  # add "front view", "side view" ... to the prompt
    view_prompts: ViewPrompts = field(default_factory=ViewPrompts)
    attention_slicing: bool = False  # less memory, slower
    lora: tuple[LoraFile, ...] = ()  # merged into the weights of UNet and text encoders
    tokenizer: str = ""  # for a single file: folder or hub model with the tokenizer; "": the base model's
    embeddings: tuple[InputPath, ...] = ()  # files of textual inversion; prompts may use their tokens

    def __post_init__(self) -> None:
        if missing := [name for name in self.embeddings if not Path(name).expanduser().is_file()]:
            raise ValueError(f"embeddings: there is no file {missing[0]}")
        if is_file(self.path):
            check_single_file(self.path)
        else:
            super().__post_init__()


RGB = 3  # channels of what a model without an autoencoder denoises


class TextPart(NamedTuple):
    """A text encoder of a model.

    Args:
        tokenizer, encoder: names of its parts.
        learned: its name in files of textual inversion for several encoders; "": the files are for one.
        length: number of tokens; 0: that of the tokenizer and the encoder.
    """

    tokenizer: str
    encoder: Part
    learned: str = ""
    length: int = 0


class TextToImage(DiffusionPrior):
    """A UNet conditioned on a text: latent with an autoencoder, or in pixel space without one.

    The prediction type (epsilon, v, sample) comes from the scheduler's config. If a UNet has twice as many output as
    input channels (a learned variance), the first half is used. Only safetensors are read, never pickles. The
    autoencoder always computes in float32, since SDXL's overflows in half precision.

    A subclass names its text `encoders`, a key of FAMILIES, and its `text_parts`, and defines `encode_texts`.
    """

    encoders: tuple[str, ...]
    text_parts: tuple[TextPart, ...] = (TextPart("tokenizer", "text_encoder"),)

    @classmethod
    def capabilities(cls, config: TextToImageConfig) -> Capabilities:
        return text_capabilities(config.view_dependent).giving(trainable_copy("lora"), trainable_copy("copy"))

    def __init__(self, config: TextToImageConfig) -> None:
        self.config = config
        self.weights = SingleFile(config.path, config.tokenizer) if is_file(config.path) else Weights(config.path)
        self.index = self.weights.index
        self._refuse_other_families()
        self.weights.refuse_without("text-to-image", "unet", "scheduler", "tokenizer")
        schedule, vae = schedule_of(self.weights.scheduler(), torch.device("cpu")), self.weights.vae()
        unet = self.weights.unet()
        for lora in config.lora:
            fold_lora(unet, "unet", lora, len(self.encoders))
        super().__init__(config, schedule, unet, vae, trained_size(unet.config.sample_size, vae, config.size))
        if config.attention_slicing:
            self.unet.set_attention_slice("auto")
        self.channels = vae.config.latent_channels if vae is not None else RGB
        self.refuse_other_inputs()

    def _refuse_other_families(self) -> None:
        classes = {part: self.weights.part_class(part) for part in self.index if part.startswith("text_encoder")}
        encoders = text_encoders({part: name for part, name in classes.items() if name is not None})
        if encoders != self.encoders:
            right = FAMILIES.get(encoders)
            raise ConfigError(
                f"the text encoders of {self.config.path!r} are {' and '.join(encoders) or 'not named'}, and prior "
                f"{FAMILIES[self.encoders]!r} is for {' and '.join(self.encoders)}", key="prior.path",
                hint=f"say prior.type={right}" if right else "no prior here is for such a model",
            )  # fmt: skip

    def refuse_other_inputs(self) -> None:
        """Refuse a UNet that takes more than noisy pictures and a text, such as one that fills in masks."""
        c = self.unet.config
        if c.in_channels != self.channels:
            raise ConfigError(
                f"the UNet of {self.config.path!r} takes {c.in_channels} channels, and one that makes pictures of a "
                f"text takes {self.channels}", key="prior.path",
                hint="it may edit pictures (prior.type=instruct-pix2pix) or fill in masks, which no prior here does",
            )  # fmt: skip
        if c.class_embed_type is not None or c.num_class_embeds is not None:
            raise ConfigError(
                f"the UNet of {self.config.path!r} takes a class or camera beside the text", key="prior.path",
                hint="for views with cameras say prior.type=mvdream",
            )  # fmt: skip

    def condition(self, request: Request) -> TextConditions:
        c = self.config
        words = [*(Path(name).expanduser() for name in c.embeddings), *request.words]
        encode_texts, limits = partial(self.encode_texts, words), [self._limit(part, words) for part in self.text_parts]
        return text_conditions(
            request, c.view_prompts, c.view_dependent, self.text_encoder_id(words), encode_texts, self.device, limits
        )

    def _limit(self, part: TextPart, words: Sequence[Path]) -> TextLimit:
        """How long a text may be for one text encoder, with the learned words of these files counted as they are."""
        from transformers import AutoTokenizer

        tokenizer, token_words = self.weights.load(AutoTokenizer, part.tokenizer), {}
        for path in words:
            for token, vectors in read_embeddings(path, part.learned).items():
                name = self.prepare_text(token)
                token_words[name] = " ".join(add_names(tokenizer, name, len(vectors)))
        positions = part.length or self.weights.config(part.encoder).get("max_position_embeddings")
        return text_limit(
            tokenizer, part.length or most_tokens(tokenizer, positions),
            lambda text: expand_tokens([self.prepare_text(text)], token_words)[0],
        )  # fmt: skip

    def prepare_text(self, text: str) -> str:
        """What is done to a text before it is tokenised."""
        return text

    def text_encoder_id(self, words: Sequence[Path]) -> str:
        """Cache key of the text encoders with LoRAs and with the learned words of these files."""
        lora = self.config.lora
        model = self.weights.text_encoder_id
        for path in (*words, *(lora_file(one.path) for one in lora)):
            model += f" {path} {file_signature(path)}"
        return model + (f" {[one.scale for one in lora]}" if lora else "")

    @abstractmethod
    def encode_texts(self, words: Sequence[Path], texts: Sequence[str]) -> Float[Tensor, "n L D"]:
        """Embeddings of texts that may use the learned words of files; text encoders are loaded for the call only."""

    def load_text_encoder(
        self, cls: Any, tokenizer: str, encoder: Part, learned: Sequence[LearnedEmbeddings]
    ) -> tuple[Any, Any, dict[str, str]]:
        """A tokenizer and a text encoder with LoRAs and learned words, and token -> the words that replace it in texts.

        Args:
            cls: transformers' class of the encoder.
            tokenizer, encoder: names of the parts.
            learned: embeddings of textual inversion for this encoder.
        """
        from transformers import AutoTokenizer

        words, network = self.weights.load(AutoTokenizer, tokenizer), self.weights.load_network(cls, encoder)
        for lora in self.config.lora:
            fold_lora(network, encoder, lora, len(self.encoders))
        token_words: dict[str, str] = {}
        for embeddings in learned:
            token_words |= add_embeddings(words, network, embeddings)
        return words, network, token_words

    @torch.no_grad()
    def predict(
        self,
        noisy: Float[Tensor, "B C h w"],
        t: Int[Tensor, " B"],
        conditions: Mapping[str, Float[Tensor, "B L D"]],
        cameras: Cameras,
    ) -> dict[str, Float[Tensor, "B C h w"]]:
        def network(inputs: Tensor, all_t: Tensor, texts: list[Tensor]) -> Tensor:
            return self.network(inputs, all_t, torch.cat(texts))

        return predict_each(conditions, noisy, t, self.noise_schedule, network)

    def network(
        self, inputs: Float[Tensor, "B I h w"], t: Int[Tensor, " B"], condition: Float[Tensor, "B L D"]
    ) -> Float[Tensor, "B C h w"]:
        """The UNet's output: the noise, v or the clean picture, by the schedule's `prediction`."""
        text, conditioning = self.unet_inputs(inputs, t, condition)
        dtype = torch.bfloat16 if self.dtype == torch.float16 and text.requires_grad else self.dtype  # see `UNetCopy`
        return run_unet(self.unet, inputs, t, text, dtype, **conditioning)[:, : self.channels]

    def unet_inputs(
        self, noisy: Float[Tensor, "B I h w"], t: Int[Tensor, " B"], condition: Float[Tensor, "B L D"]
    ) -> tuple[Float[Tensor, "B L D"], dict[str, Any]]:
        """The arguments of the UNet for a condition: text embeddings, and further conditioning by name."""
        return condition, {}

    def trainable_copy(self, kind: CopyKind, rank: int) -> UNetCopy:
        return UNetCopy(self.unet, self.channels, kind, rank, self.dtype, self.unet_inputs)
