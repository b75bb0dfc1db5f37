"""Fine-tuning of a pretrained image-variation or text-to-image model to novel views: the training of Zero-1-to-3."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from maquette.annotations import Count, CountOrNone, Fraction, Positive, Range, WeightsPath
from maquette.datasets.base import PairDataset, PosedPairs
from maquette.diffusion.noise import schedule_of
from maquette.errors import ConfigError, MissingDependency
from maquette.images.pixels import to_pixels
from maquette.learners._adapters import add_adapters, check_peft, merged
from maquette.learners._diffusion import Attention, guided_ddim, shift_timesteps, squared_errors
from maquette.learners._novel_views import conditioned, copy_weights, held_out_figures, save_zero123, view_sheet
from maquette.learners.base import AveragedLearner, Networks
from maquette.objectives.terms import Terms
from maquette.perception.image_encoder import ImageEncoder
from maquette.priors.autoencoder import PictureCodec, picture_size
from maquette.priors.zero123.parts import DiffusersParts, image_encoder_of
from maquette.priors.zero123.projection import CameraProjection
from maquette.randomness import Draws
from maquette.registry import register
from maquette.weights.diffusers_folder import Weights
from maquette.weights.families import PROJECTIONS
from maquette.weights.loading import check_path

PIXEL_CHANNELS = 3


@register("learner", "novel-view-finetune")
class NovelViewFinetuneLearner(AveragedLearner[PairDataset, PosedPairs]):
    """Fine-tunes a pretrained diffusion model to draw the target view of a pair from its reference and relative camera.

    The reference is concatenated to the noisy target: its latents, not scaled to unit variance, or its pixels where the
    model has no autoencoder; the weights of the new input channels begin at zero. The context of the cross-attention is
    one token, a projection of the reference's CLIP embedding and the relative pose. Noise process and prediction type
    are the model's own, and every timestep has weight 1. Autoencoder and image encoder stay frozen. The saved folder is
    loaded by the prior `zero123`.

    Where the embedding has another width than the model's context, keys and values of the cross-attention begin anew,
    and so does a projection that the model brings.

    Source: Liu et al. 2023 (Zero-1-to-3, arXiv 2303.11328), sec. 3.2, and its code for the rates of dropout and the
    learning rate of the projection.
    """

    channels_last = False  # see `DiffusionLearner`

    @dataclass(frozen=True)
    class Config:
        prior: WeightsPath  # model to start from: a folder in diffusers' layout, a hub name, or a plugin's weights
        image_encoder: WeightsPath = ""  # CLIP whose image encoder embeds the reference; "": that of the prior
        drop_condition: Annotated[float, Range(0, 1 / 3)] = (
            0.05  # probability each of: no embedding, no picture, neither
        )
        projection_rate: Positive = 10.0  # learning rate of the projection, in that of the other weights
        modulated: bool = False  # whether the token is also added to the time embedding, which every block sees
        shift: Positive = 1.0  # timestep shift; above 1, noisy timesteps, which decide the pose, are sampled more often
        lora_rank: CountOrNone = 0  # of LoRA adapters of the attention, trained in place of the U-Net; 0: none
        recompute: bool = False  # activations are computed again in the backward pass: less memory, more time
        average_decay: Fraction = 0.9999  # of the weight average that is saved
        sample_steps: Count = 50  # sampler steps of sample sheet and evaluation
        sample_scale: float = 3.0  # guidance scale of sample sheet and evaluation
        evaluated: Count = 64  # held-out pairs of the evaluation

        def __post_init__(self) -> None:
            check_path(self.prior)
            if self.lora_rank:
                try:
                    check_peft()
                except MissingDependency as problem:
                    raise ValueError(f"lora_rank: {problem}") from None

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def build(self, dataset: PairDataset) -> None:
        """As in `Learner`; the U-Net's config gets the side of what it denoises in this data.

        Raises:
            ConfigError: the model cannot be fine-tuned, or its autoencoder does not divide the data's pictures.
        """
        c = self.config
        weights = Weights(c.prior, pickles=True, key="learner.prior")
        weights.refuse_without("diffusion", "unet", "scheduler")
        encoder, vae, self.scheduler = self._encoder(weights), weights.vae(), weights.scheduler()
        side = denoised_side(dataset.held_out(Draws(0, 0, "side/"), 1).target.shape[1], vae)
        self._frozen = _Frozen(encoder, vae, torch.device("cpu"))
        self.schedule = schedule_of(self.scheduler, torch.device("cpu"))
        self.channels = PIXEL_CHANNELS if vae is None else int(vae.config.latent_channels)
        unet, fresh = novel_view_unet(weights, encoder.width, self.channels, side, c.modulated)
        unet.set_attn_processor(Attention())
        if c.recompute:
            unet.enable_gradient_checkpointing()
        if c.lora_rank:
            add_adapters(unet, c.lora_rank, fresh)
        self.set_networks(Networks(unet=unet, projection=self._projection(weights, encoder.width)), c.average_decay)

    def _projection(self, weights: Weights, width: int) -> CameraProjection:
        """The model's own projection, or a new one where it has none for embeddings of this width."""
        new = CameraProjection(width)
        if not any(weights.has(name) for name in PROJECTIONS):
            return new
        own = DiffusersParts(self.config.prior).projection().requires_grad_(True)
        return own if own.width == width else new

    def _encoder(self, weights: Weights) -> ImageEncoder:
        if self.config.image_encoder:
            return ImageEncoder.load(self.config.image_encoder, smooth=False)
        if weights.has(ImageEncoder.FOLDER):
            return image_encoder_of(weights)
        raise ConfigError(
            f"{self.config.prior!r} has no image encoder, and the model is told the reference's CLIP embedding",
            key="learner.image_encoder",
            hint="name one, for Stable Diffusion 1 learner.image_encoder=openai/clip-vit-large-patch14",
        )

    def set_memory_format(self, device: torch.device) -> None:
        super().set_memory_format(device)
        self._frozen = _Frozen(self._frozen.encoder, self._frozen.codec.vae, device)
        self.schedule = self.schedule.to(device)

    def rate_factor(self, name: str) -> float:
        """The projection learns faster: its pose columns begin at random, and the rest is pretrained."""
        return self.config.projection_rate if name.startswith("networks.projection.") else 1.0

    def loss(self, batch: PosedPairs, draws: Draws) -> Terms:
        return Terms({"denoising": self._loss(self.networks, batch, draws)})

    def _loss(self, networks: Any, batch: PosedPairs, draws: Draws) -> Float[Tensor, ""]:
        count, device = len(batch.pose), batch.pose.device
        keep_embedding, keep_picture = kept_conditions(draws.uniform("drop", count), self.config.drop_condition)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):  # bfloat16 has three digits for a latent
            embedding = self._frozen.encoder(batch.reference) * keep_embedding[:, None].to(batch.pose)
            picture = self._frozen.picture(batch.reference) * keep_picture[:, None, None, None].to(batch.pose)
            noise, of_posterior = (draws.normal(name, *picture.shape, device=device) for name in ("noise", "posterior"))
            clean = self._frozen.codec.sample_latents(to_pixels(batch.target), of_posterior)
        steps = self.schedule.timesteps
        t = shift_timesteps(draws.integers("timestep", 0, steps - 1, count, device=device), steps, self.config.shift)
        predict = conditioned(networks.unet, picture, networks.projection(embedding, batch.pose))
        return squared_errors(predict, self.schedule, clean, noise, t).mean()

    @torch.no_grad()
    def sample(
        self, reference: Float[Tensor, "B H W 3"], pose: Float[Tensor, "B 4"], draws: Draws
    ) -> Float[Tensor, "B H W 3"]:
        """Views of the reference's object from relative poses, by DDIM from the averaged weights with guidance.

        For the unconditional prediction token and picture are zeros, as in the samplers of the published models.
        """
        c, networks, frozen = self.config, self.averaged, self._frozen
        token, picture = networks.projection(frozen.encoder(reference), pose), frozen.picture(reference)
        noise = draws.normal("sample", *picture.shape).to(picture)
        predict = conditioned(networks.unet, torch.cat([picture, 0 * picture]), torch.cat([token, 0 * token]))
        return frozen.codec.decode(guided_ddim(predict, self.scheduler, noise, c.sample_steps, c.sample_scale))

    def sample_sheet(self, dataset: PairDataset, draws: Draws) -> np.ndarray:
        """A row per held-out object: the reference, then for each view the sample and the ground truth."""
        return view_sheet(self.sample, dataset, draws)

    def evaluate(self, dataset: PairDataset, draws: Draws) -> dict[str, float]:
        """Figures of the averaged weights on held-out objects: loss, and PSNR of views beside that of the reference."""

        def loss(pairs: PosedPairs, batch_draws: Draws) -> Tensor:
            return self._loss(self.averaged, pairs, batch_draws)

        return held_out_figures(
            loss, self.sample, dataset, draws, self.config.evaluated, chunk=16, loss_name="held-out loss"
        )

    def save(self, folder: Path) -> None:
        """Write the layout of Zero-1-to-3's diffusers port; adapters are merged into the U-Net."""
        networks, frozen = self.averaged, self._frozen
        unet = merged(networks.unet) if self.config.lora_rank else networks.unet
        save_zero123(folder, unet, networks.projection, frozen.encoder, self.scheduler, frozen.codec.vae)


class _Frozen:
    """Image encoder and autoencoder on a device; no module, so that checkpoints leave them out."""

    def __init__(self, encoder: ImageEncoder, vae: Any, device: torch.device) -> None:
        self.encoder, self.codec = encoder.to(device), PictureCodec(vae, 0, device)

    def picture(self, reference: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B C h w"]:
        """What is concatenated to the noisy picture: unscaled latents, or pixels in [-1, 1]."""
        return self.codec.unscale(self.codec.encode_pixels(to_pixels(reference)))


def kept_conditions(uniform: Float[Tensor, " B"], probability: float) -> tuple[Bool[Tensor, " B"], Bool[Tensor, " B"]]:
    """Whether each example keeps its embedding, and whether it keeps its picture.

    The first `probability` of the range loses the embedding, the second both, the third the picture.

    Source: Zero-1-to-3's code, ldm/models/diffusion/ddpm.py, get_input.

    Example:
        >>> embedding, picture = kept_conditions(torch.tensor([0.02, 0.07, 0.12, 0.5]), 0.05)
        >>> embedding.tolist(), picture.tolist()
        ([False, False, True, True], [True, False, False, True])
    """
    return uniform >= 2 * probability, (uniform < probability) | (uniform >= 3 * probability)


def denoised_side(side: int, vae: Any) -> int:
    """Side of the latents of pictures of this side; without an autoencoder, that of the pictures.

    Raises:
        ConfigError: the autoencoder's factor does not divide it.
    """
    factor = picture_size(1, vae)
    if side % factor:
        raise ConfigError(
            f"the autoencoder shrinks pictures by {factor}, which does not divide their side of {side} pixels",
            key="dataset.size", hint=f"set dataset.size to a multiple of {factor}, such as {side + -side % factor}",
        )  # fmt: skip
    return side // factor


def novel_view_unet(
    weights: Weights, context: int, channels: int, side: int, modulated: bool
) -> tuple[Any, tuple[str, ...]]:
    """A pretrained U-Net with room for a picture in its input channels, and the names of its tensors that are new.

    Args:
        weights: of a model with `unet/`.
        context: width of the token that its cross-attention sees.
        channels: of the pictures or latents that it denoises; a learned variance is left out.
        side: of the pictures or latents, `sample_size` of its config.
        modulated: whether it has a class embedding of the token, which begins at zero.

    Raises:
        ConfigError: it takes a class embedding of its own, also one of another width, or other conditions besides text.
    """
    from diffusers import UNet2DConditionModel

    old = weights.unet()
    own = old.config.class_embed_type
    if old.config.addition_embed_type or own not in (None, "projection"):
        extra = old.config.addition_embed_type or own
        raise ConfigError(
            f"the U-Net of {weights.path!r} takes a condition ({extra}) that novel views do not give", key=weights.key,
            hint="take a model of Stable Diffusion 1 or 2, of image variations, or of Zero-1-to-3",
        )  # fmt: skip
    width = old.config.projection_class_embeddings_input_dim
    if own and width != context:
        raise ConfigError(
            f"the U-Net of {weights.path!r} takes a class embedding of {width} numbers, and the image encoder gives "
            f"{context}", key="learner.image_encoder", hint="leave it out, and the prior's own is taken",
        )  # fmt: skip
    changes: dict[str, Any] = {
        "in_channels": 2 * channels, "out_channels": channels, "cross_attention_dim": context, "sample_size": side,
    }  # fmt: skip
    if modulated:
        changes |= {"class_embed_type": "projection", "projection_class_embeddings_input_dim": context}
    config = {name: value for name, value in old.config.items() if not name.startswith("_")}
    unet: Any = UNet2DConditionModel.from_config({**config, **changes})
    if modulated and own is None:
        nn.init.zeros_(unet.class_embedding.linear_2.weight)
        nn.init.zeros_(unet.class_embedding.linear_2.bias)
    return unet, copy_weights(old, unet, weights.path, spare=("class_embedding.",) if modulated else ())
