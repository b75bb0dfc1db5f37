"""What learners of pixel-space diffusion share: their base, a small U-Net, the velocity loss, DDIM with guidance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.diffusion.noise import DiscreteSchedule, schedule_of
from maquette.images.pixels import to_pixels, to_rgb
from maquette.learners.base import AveragedLearner, Batch, Data, memory_order
from maquette.objectives.terms import Terms
from maquette.randomness import Draws
from maquette.weights.loading import quiet

Velocity: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(noisy pixels [B, 3, H, W], timesteps [B] or one) -> velocities [B, 3, H, W]."""


@dataclass(frozen=True)
class UNetShape:
    """The sizes of a small U-Net.

    Args:
        size: image side in pixels, or height and width.
        widths: channels per resolution, full resolution first.
        layers: residual blocks per resolution.
        heads: attention heads.
        attention_levels: how many of the coarsest resolutions attend to themselves and to the context.
        modulated: whether a class embedding, as wide as the context, scales and shifts what every block computes.
    """

    size: int | tuple[int, int]
    widths: tuple[int, ...]
    layers: int
    heads: int
    attention_levels: int
    modulated: bool = False


def small_unet(shape: UNetShape, in_channels: int, out_channels: int, context_width: int) -> Any:
    """A fresh `UNet2DConditionModel`."""
    from diffusers import UNet2DConditionModel

    plain = len(shape.widths) - shape.attention_levels
    modulation: dict[str, Any] = {
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": context_width,
        "resnet_time_scale_shift": "scale_shift",
        "time_embedding_dim": 2 * max(shape.widths),
    }
    unet: Any = UNet2DConditionModel(
        sample_size=shape.size,
        in_channels=in_channels,
        out_channels=out_channels,
        block_out_channels=shape.widths,
        layers_per_block=shape.layers,
        cross_attention_dim=context_width,
        attention_head_dim=shape.heads,
        norm_num_groups=16,
        down_block_types=("DownBlock2D",) * plain + ("CrossAttnDownBlock2D",) * shape.attention_levels,
        up_block_types=("CrossAttnUpBlock2D",) * shape.attention_levels + ("UpBlock2D",) * plain,
        **(modulation if shape.modulated else {}),
    )
    unet.set_attn_processor(Attention())
    return unet


class Attention:
    """torch's fused attention, but not on a CPU, where it is slow backwards."""

    def __init__(self) -> None:
        from diffusers.models.attention_processor import AttnProcessor, AttnProcessor2_0

        self._plain, self._fused = AttnProcessor(), AttnProcessor2_0()

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        process: Any = self._fused if hidden_states.is_cuda else self._plain
        return process(attn, hidden_states, *args, **kwargs)


def small_text_encoder(tokenizer: Any, width: int, layers: int, heads: int) -> Any:
    """A fresh `CLIPTextModel` for a tokenizer's words and length."""
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
    """Write `parts`, each into a folder of its name, and the `model_index.json` of a pipeline of diffusers' kind.

    Args:
        facts: what else stands in the index.
    """
    with quiet():
        for name, part in parts.items():
            part.save_pretrained(folder / name)
    kinds = {name: [type(part).__module__.split(".")[0], type(part).__name__] for name, part in parts.items()}
    index = {"_class_name": pipeline, **kinds, **facts}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


class VelocityDiffusion:
    """Noise levels, training loss and sampler of a model that predicts velocities.

    Source: velocity target, Salimans & Ho 2022 (arXiv 2202.00512), app. D; loss weight min(SNR, gamma) / (SNR + 1),
    Hang et al. 2023 (arXiv 2303.09556), eq. 9; shift of the levels, Esser et al. 2024 (arXiv 2403.03206), eq. 23.

    Args:
        snr_gamma: gamma of the loss weight; 0: all noise levels weigh the same in velocity.
        shift: how much more often noisy levels are trained on; 1: all as often.
    """

    def __init__(self, snr_gamma: float, shift: float = 1.0) -> None:
        from diffusers import DDPMScheduler

        self.snr_gamma, self.shift = snr_gamma, shift
        self.scheduler: Any = DDPMScheduler(
            beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", variance_type="fixed_small"
        )
        self.noise_schedule = schedule_of(self.scheduler, torch.device("cpu"))

    def schedule_on(self, device: torch.device) -> DiscreteSchedule:
        """The noise schedule on a device, moved there once."""
        if self.noise_schedule.alphas_cumprod.device != device:
            self.noise_schedule = self.noise_schedule.to(device)
        return self.noise_schedule

    def loss(
        self, velocity: Velocity, images: Float[Tensor, "B H W 3"], draws: Draws, together: int = 1
    ) -> Float[Tensor, ""]:
        """Weighted mean squared error of the velocity at random noise levels, one for every `together` images."""
        pixels = to_pixels(images)
        device, count = pixels.device, pixels.shape[0]
        schedule = self.schedule_on(device)
        t = draws.integers("timestep", 0, schedule.timesteps - 1, count // together, device=device)
        t = shifted(t, schedule.timesteps, self.shift).repeat_interleave(together)
        noise = draws.normal("noise", *pixels.shape, device=device)
        alpha, sigma = schedule.alpha_sigma(t)
        noisy = (alpha * pixels + sigma * noise).contiguous(memory_format=memory_order(device))
        target = schedule.target(pixels, noise, t)
        snr = (alpha / sigma).square().flatten()
        gamma = self.snr_gamma
        weight = snr.clamp(max=gamma) / (snr + 1) if gamma > 0 else torch.ones_like(snr)
        error = (velocity(noisy, t).float() - target).square().mean(dim=(1, 2, 3))
        return (weight * error).mean()

    def sample(
        self, velocity: Velocity, noise: Float[Tensor, "B 3 H W"], steps: int, scale: float
    ) -> Float[Tensor, "B H W 3"]:
        """Images in [0, 1] by DDIM with classifier-free guidance.

        Args:
            velocity: given the noisy pixels twice over [2 B, ...], predicts with the condition for the first half and
                without for the second.
            noise: standard normal.
            steps: sampler steps.
            scale: guidance scale; 1: the conditional prediction alone.
        """
        from diffusers import DDIMScheduler

        sampler: Any = DDIMScheduler.from_config(self.scheduler.config, timestep_spacing="trailing")
        sampler.set_timesteps(steps)
        image = noise
        for step in sampler.timesteps:
            conditional, unconditional = velocity(torch.cat([image, image]), step).chunk(2)
            guided = unconditional + scale * (conditional - unconditional)
            image = sampler.step(guided.float(), step, image).prev_sample
        return to_rgb(image)


class DiffusionLearner(AveragedLearner[Data, Batch]):
    """A learner of velocities: trained and judged by one loss, sampled by DDIM from the averaged weights.

    Its config has `sample_steps` and `sample_scale`.
    """

    config: Any
    diffusion: VelocityDiffusion

    def velocity_loss(self, networks: Any, batch: Batch, draws: Draws) -> Float[Tensor, ""]:
        """The loss of networks, those in training or their average, on a batch."""
        raise NotImplementedError

    def loss(self, batch: Batch, draws: Draws) -> Terms:
        return Terms({"velocity": self.velocity_loss(self.networks, batch, draws)})

    def denoise(self, velocity: Velocity, noise: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B H W 3"]:
        """Images out of noise; `velocity` as in `VelocityDiffusion.sample`."""
        return self.diffusion.sample(velocity, noise, self.config.sample_steps, self.config.sample_scale)

    def held_out_velocity(self, parts: Iterable[tuple[Batch, Draws]]) -> float:
        """Mean loss of the averaged weights over batches, each with its random numbers."""
        losses = [float(self.velocity_loss(self.averaged, batch, draws)) for batch, draws in parts]
        return sum(losses) / len(losses)


def held_out_parts(dataset: Any, draws: Draws, count: int, chunk: int) -> Iterator[tuple[Any, Draws]]:
    """`count` held-out examples in batches of at most `chunk`, each with its random numbers."""
    for number, start in enumerate(range(0, count, chunk)):
        part = draws.sub(str(number))
        yield dataset.held_out(part, min(chunk, count - start)), part


def shifted(t: Int[Tensor, " B"], count: int, shift: float) -> Int[Tensor, " B"]:
    """Timesteps u of `count`, as fractions of the whole, moved to shift u / (1 + (shift - 1) u).

    Example:
        >>> shifted(torch.tensor([0, 250, 500, 999]), 1000, shift=3.0)
        tensor([  0, 500, 750, 999])
    """
    return torch.div(shift * count * t, count + (shift - 1) * t, rounding_mode="floor").to(t.dtype)
