"""A 3D U-Net over the cells of a cube, and the folding of fine cells into channels of coarse ones."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

GROUP = 8  # channels per group of a group norm
FREQUENCIES = 32  # of the embedding of a timestep
LONGEST_PERIOD = 10_000.0  # of the embedding, in timesteps


class VolumeUNet(nn.Module):
    """A U-Net of 3D convolutions, modulated by a context vector and, for diffusion, by a timestep.

    The way up adds what the way down had at its level, rather than concatenate it, which costs a third less.

    Args:
        in_channels, out_channels: of the volumes; the sides of a volume are divisible by 2^(levels - 1).
        widths: channels per level, the finest first.
        context: size of the context vector.
        blocks: residual blocks per level on the way down; one more on the way up, but for the coarsest.
        timed: whether it takes a timestep.

    Source: the 3D U-Net of Cicek et al. 2016 (arXiv 1606.06650) with the residual blocks and the modulation (scale and
    shift after the second norm) of Dhariwal and Nichol 2021 (arXiv 2105.05233), sec. 3; no attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        widths: tuple[int, ...] = (32, 64, 128),
        context: int = 128,
        blocks: tuple[int, ...] = (1, 1, 2),
        timed: bool = False,
    ) -> None:
        super().__init__()
        self.enter = nn.Conv3d(in_channels, widths[0], 1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        self.lift = nn.ModuleList()
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            before = (widths[max(level - 1, 0)], *(width,) * (count - 1))
            self.down.append(nn.ModuleList(_Residual(channels, width, context) for channels in before))
            if level < len(widths) - 1:
                self.lift.append(nn.Conv3d(widths[level + 1], width, 1))
                self.up.append(_Residual(width, width, context))
        self.timestep = (
            nn.Sequential(nn.Linear(2 * FREQUENCIES, context), nn.SiLU(), nn.Linear(context, context))
            if timed
            else None
        )
        self.norm = nn.GroupNorm(widths[0] // GROUP, widths[0])
        self.leave = nn.Conv3d(widths[0], out_channels, 1)

    def forward(
        self, volume: Float[Tensor, "B C X Y Z"], context: Float[Tensor, "B D"], timestep: Tensor | None = None
    ) -> Float[Tensor, "B K X Y Z"]:
        """The volume's new channels; `timestep` [B] is needed if the network is timed."""
        if self.timestep is not None:
            assert timestep is not None, "a timed network needs a timestep"
            context = context + self.timestep(timestep_embedding(timestep))
        hidden, skips = self.enter(volume), []
        for level, blocks in enumerate(self.down):
            hidden = functional.avg_pool3d(hidden, 2) if level else hidden
            for block in blocks:  # type: ignore[attr-defined]
                hidden = block(hidden, context)
            skips.append(hidden)
        for level in reversed(range(len(self.up))):
            hidden = skips[level] + functional.interpolate(self.lift[level](hidden), scale_factor=2.0)
            hidden = self.up[level](hidden, context)
        return self.leave(functional.silu(self.norm(hidden)))


class _Residual(nn.Module):
    def __init__(self, before: int, width: int, context: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.GroupNorm(before // GROUP, before), nn.GroupNorm(width // GROUP, width)
        self.conv_1 = nn.Conv3d(before, width, 3, padding=1)
        self.conv_2 = nn.Conv3d(width, width, 3, padding=1)
        self.modulation = nn.Linear(context, 2 * width)
        self.shortcut = nn.Conv3d(before, width, 1) if before != width else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, volume: Tensor, context: Tensor) -> Tensor:
        hidden = self.norm_2(self.conv_1(functional.silu(self.norm_1(volume))))
        scale, shift = self.modulation(functional.silu(context))[:, :, None, None, None].chunk(2, dim=1)
        return self.shortcut(volume) + self.conv_2(functional.silu(torch.addcmul(shift, hidden, 1 + scale)))


def timestep_embedding(timestep: Shaped[Tensor, " B"]) -> Float[Tensor, "B E"]:
    """Cosines and sines of a timestep, in `FREQUENCIES` geometric frequencies.

    Source: Vaswani et al. 2017 (arXiv 1706.03762), sec. 3.5.
    """
    exponent = torch.arange(FREQUENCIES, device=timestep.device) / FREQUENCIES
    angle = timestep.float()[:, None] * torch.exp(-math.log(LONGEST_PERIOD) * exponent)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def fold(volume: Float[Tensor, "B C X Y Z"]) -> Float[Tensor, "B 8*C X//2 Y//2 Z//2"]:
    """Each block of eight cells as channels of one cell twice as large.

    A convolution of the folded volume costs an eighth for as many channels; the order is (channel, x, y, z).

    Example:
        >>> fold(torch.arange(8.0).view(1, 1, 2, 2, 2)).flatten()
        tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    split = volume.unflatten(4, (-1, 2)).unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # B C X 2 Y 2 Z 2
    return split.permute(0, 1, 3, 5, 7, 2, 4, 6).flatten(1, 4)


def unfold(volume: Float[Tensor, "B K X Y Z"]) -> Float[Tensor, "B K//8 2*X 2*Y 2*Z"]:
    """The inverse of `fold`."""
    split = volume.unflatten(1, (-1, 2, 2, 2))  # B C 2 2 2 X Y Z
    return split.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)
