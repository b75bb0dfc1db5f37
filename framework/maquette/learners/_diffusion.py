"""Shared by learners of pixel-space diffusion models: base class, small U-Net, velocity loss, DDIM with guidance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.diffusion.noise import DiscreteSchedule, schedule_of
from maquette.images.pixels import to_pixels, to_rgb
from maquette.learners.base import AveragedLearner, Batch, Data
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.weights.loading import quiet

Velocity: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(noisy images [B, 3, H, W], timesteps [B] or a scalar) -> velocity predictions [B, 3, H, W]."""


@dataclass(frozen=True)
class UNetSizes:
    """Sizes of a small U-Net.

    Args:
        size: image side in pixels, or height and width.
        widths: channels per resolution, full resolution first.
        layers: residual blocks per resolution.
        heads: attention heads.
        attention_levels: number of the coarsest resolutions that have self- and cross-attention.
        modulated: whether a class embedding of the context's width scales and shifts the activations of every block.
    """

    size: int | tuple[int, int]
    widths: tuple[int, ...]
    layers: int
    heads: int
    attention_levels: int
    modulated: bool = False


def small_unet(sizes: UNetSizes, in_channels: int, out_channels: int, context_width: int) -> Any:
    """A randomly initialised `UNet2DConditionModel`."""
    from diffusers import UNet2DConditionModel

    plain = len(sizes.widths) - sizes.attention_levels
    modulation: dict[str, Any] = {
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": context_width,
        "resnet_time_scale_shift": "scale_shift",
        "time_embedding_dim": 2 * max(sizes.widths),
    }
    unet: Any = UNet2DConditionModel(
        sample_size=sizes.size,
        in_channels=in_channels,
        out_channels=out_channels,
        block_out_channels=sizes.widths,
        layers_per_block=sizes.layers,
        cross_attention_dim=context_width,
        attention_head_dim=sizes.heads,
        norm_num_groups=16,
        down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * sizes.attention_levels,
        up_block_types=("CrossAttnUpBlock2D",) * sizes.attention_levels + ("UpBlock2D",) * plain,
        **(modulation if sizes.modulated else {}),
    )
    unet.set_attn_processor(Attention())
    return unet


class Attention:
    """Attention processor: torch's fused attention, except on a CPU, where its backward pass is slow."""

    def __init__(self) -> None:
        from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

        self._plain, self._fused = AttnProcessor(), AttnProcessor2_0()

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        process: Any = self._fused if hidden_states.is_cuda else self._plain
        return process(attn, hidden_states, *args, **kwargs)


def small_text_encoder(tokenizer: Any, width: int, layers: int, heads: int) -> Any:
    """A randomly initialised `CLIPTextModel` for a tokenizer's vocabulary and text length."""
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            max_position_embeddings=tokenizer.model_max_length,
            projection_dim=width,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def save_layout(folder: Path, pipeline: str, parts: dict[str, Any], **facts: Any) -> None:
    """Write the components of a diffusers pipeline, each into the folder of its name, and its `model_index.json`.

    Args:
        pipeline: class name of the pipeline.
        parts: component name -> component.
        facts: further entries of the index.
    """
    with quiet():
        for name, part in parts.items():
            part.save_pretrained(folder / name)
    kinds = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    index = {"_class_name": pipeline, **kinds, **facts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


class VelocityDiffusion:
    """Noise schedule, training loss and sampler of a model with velocity prediction.

    Source: velocity target, Salimans & Ho 2022 (arXiv 2202.00512), app. D; loss weight min(SNR, gamma) / (SNR + 1),
    Hang et al. 2023 (arXiv 2303.09556), eq. 9; timestep shift, Esser et al. 2024 (arXiv 2403.03206), eq. 23.

    Args:
        snr_gamma: gamma of the loss weight; 0: all timesteps have weight 1.
        shift: timestep shift; above 1, noisy timesteps are sampled more often; 1: uniformly.
    """

    def __init__(self, snr_gamma: float, shift: float = 1.0) -> None:
        from diffusers import DDPMScheduler

        self.snr_gamma, self.shift = snr_gamma, shift
        self.scheduler: Any = DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", variance_type="fixed_small"
        )
        self.noise_schedule = schedule_of(self.scheduler, torch.device("cpu"))

    def schedule_on(self, device: torch.device) -> DiscreteSchedule:
        """The noise schedule on a device, transferred once."""
        if self.noise_schedule.alphas_cumprod.device != device:
            self.noise_schedule = self.noise_schedule.to(device)
        return self.noise_schedule

    def loss(
        self, velocity: Velocity, images: Float[Tensor, "B H W 3"], draws: Draws, group_size: int = 1
    ) -> Float[Tensor, ""]:
        """Weighted mean squared error of the velocity at random timesteps, one for every `group_size` images."""
        clean = to_pixels(images)
        device, count = clean.device, clean.shape[0]
        schedule = self.schedule_on(device)
        t = draws.integers("timestep", 0, schedule.timesteps - 1, count // group_size, device=device)
        t = shift_timesteps(t, schedule.timesteps, self.shift).repeat_interleave(group_size)
        noise = draws.normal("noise", *clean.shape, device=device)
        error = squared_errors(velocity, schedule, clean, noise, t)
        alpha, sigma = schedule.alpha_sigma(t)
        snr = (alpha / sigma).square().flatten()
        gamma = self.snr_gamma
        weight = snr.clamp(max=gamma) / (snr + 1) if gamma > 0 else torch.ones_like(snr)
        return (weight * error).mean()

    def sample(
        self, velocity: Velocity, noise: Float[Tensor, "B 3 H W"], steps: int, scale: float
    ) -> Float[Tensor, "B H W 3"]:
        """Images in [0, 1] by DDIM with classifier-free guidance; arguments as of `guided_ddim`."""
        return to_rgb(guided_ddim(velocity, self.scheduler, noise, steps, scale))


def squared_errors(
    predict: Velocity,
    schedule: DiscreteSchedule,
    clean: Float[Tensor, "B C h w"],
    noise: Float[Tensor, "B C h w"],
    t: Int[Tensor, " B"],
) -> Float[Tensor, " B"]:
    """Mean squared error of a model's prediction for each of B noisy pictures or latents.

    Args:
        predict: (noisy, t) -> model output of the schedule's prediction type.
    """
    noisy = schedule.add(clean, noise, t).contiguous()
    target = schedule.target(clean, noise, t)
    return (predict(noisy, t).float() - target).square().mean(dim=(1, 2, 3))


def guided_ddim(
    predict: Velocity, scheduler: Any, noise: Float[Tensor, "B C h w"], steps: int, scale: float
) -> Float[Tensor, "B C h w"]:
    """Clean pictures or latents by DDIM with classifier-free guidance.

    Args:
        predict: takes the noisy pictures twice [2 B, C, h, w]; its prediction is conditional for the first half and
            unconditional for the second.
        scheduler: of diffusers, with the noise process and the prediction type of the model.
        noise: standard normal noise, the initial pictures.
        steps: sampler steps.
        scale: guidance scale; 1: the conditional prediction alone.
    """
    from diffusers import DDIMScheduler

    sampler: Any = DDIMScheduler.from_config(scheduler.config, timestep_spacing="trailing")
    sampler.set_timesteps(steps)
    image = noise
    for t in sampler.timesteps:
        conditional, unconditional = predict(torch.cat([image, image]), t).chunk(2)
        guided = unconditional + scale * (conditional - unconditional)
        image = sampler.step(guided.float(), t, image).prev_sample
    return image


class DiffusionLearner(AveragedLearner[Data, Batch]):
    """A learner with velocity prediction: one loss for training and evaluation, DDIM samples from averaged weights.

    Its config has `sample_steps`, `sample_scale` and `evaluated`.
    """

    channels_last = False  # there the gradient of a U-Net's group norms takes 20 times as long
    config: Any
    diffusion: VelocityDiffusion

    def velocity_loss(self, networks: Any, batch: Batch, draws: Draws) -> Float[Tensor, ""]:
        """Velocity loss of `networks`, the trained or the averaged ones, on a batch."""
        raise NotImplementedError

    def loss(self, batch: Batch, draws: Draws) -> Terms:
        return Terms({"velocity": self.velocity_loss(self.networks, batch, draws)})

    def denoise(self, velocity: Velocity, noise: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
        """Images sampled from noise; `velocity` as in `VelocityDiffusion.sample`."""
        return self.diffusion.sample(velocity, noise, self.config.sample_steps, self.config.sample_scale)

    def held_out_velocity(self, batches: Iterable[tuple[Batch, Draws]], chunk: int) -> float:
        """Mean velocity loss of the averaged weights over `evaluated` examples.

        Args:
            batches: the examples, at most `chunk` in each batch, with its random draws.
        """
        losses = [float(self.velocity_loss(self.averaged, batch, draws)) for batch, draws in batches]
        return mean_of_chunks(losses, self.config.evaluated, chunk)


def held_out_batches(dataset: Any, draws: Draws, count: int, chunk: int) -> Iterator[tuple[Any, Draws]]:
    """`count` held-out examples in batches of at most `chunk`, each batch with its random draws."""
    for number, size in enumerate(chunk_sizes(count, chunk)):
        batch_draws = draws.sub(str(number))
        yield dataset.held_out(batch_draws, size), batch_draws


def chunk_sizes(count: int, chunk: int) -> list[int]:
    """Sizes of the chunks of `count` examples, at most `chunk` in each.

    Example:
        >>> chunk_sizes(10, 4)
        [4, 4, 2]
    """
    return [min(chunk, count - start) for start in range(0, count, chunk)]


def mean_of_chunks(means: Sequence[float], count: int, chunk: int) -> float:
    """The mean over `count` examples, from the means of their chunks.

    Example:
        >>> mean_of_chunks([1.0, 4.0], count=3, chunk=2)
        2.0
    """
    return sum(size * mean for size, mean in zip(chunk_sizes(count, chunk), means, strict=True)) / count


def shift_timesteps(t: Int[Tensor, " B"], count: int, shift: float) -> Int[Tensor, " B"]:
    """Timestep shift: with u = t / count, u becomes shift u / (1 + (shift - 1) u).

    Example:
        >>> shift_timesteps(torch.tensor([0, 250, 500, 999]), 1000, shift=3.0)
        tensor([  0, 500, 750, 999])
    """
    return torch.div(shift * count * t, count + (shift - 1) * t, rounding_mode="floor").to(t.dtype)
