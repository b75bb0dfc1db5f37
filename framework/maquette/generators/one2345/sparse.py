"""Sparse 3D convolutions over active cells by gathering and one matrix product, and a U-Net of them.

Source: submanifold sparse convolution, Graham et al. 2018 (arXiv 1711.10275): outputs exist where inputs do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from maquette.perception.volume_unet import timestep_embedding

KERNEL = 27  # cells of a 3 x 3 x 3 neighbourhood
TIME_CHANNELS = 64  # of `timestep_embedding`


@dataclass(frozen=True)
class Tokens:
    """Active cells of B grids.

    Args:
        cells: object, x, y and z of each cell [n, 4]; the cells of an object stand together, objects in their order.
        resolution: cells along a side of a grid, even.
        objects: B.
    """

    cells: Int[Tensor, "n 4"]
    resolution: int
    objects: int

    @classmethod
    def of(cls, active: Bool[Tensor, "B N N N"]) -> Tokens:
        """The cells that are active."""
        return cls(active.nonzero(), active.shape[-1], len(active))

    def __len__(self) -> int:
        return len(self.cells)

    @property
    def object(self) -> Int[Tensor, " n"]:
        """Number of each token's object."""
        return self.cells[:, 0]

    def neighbours(self) -> Int[Tensor, "n 27"]:
        """Rows of the 27 cells around each token, itself in the middle, x slowest; n where a cell is not active."""
        count, side = len(self.cells), self.resolution + 2
        rows = torch.full((self.objects, side, side, side), count, device=self.cells.device)
        b, x, y, z = self.cells.T
        rows[b, x + 1, y + 1, z + 1] = torch.arange(count, device=self.cells.device)
        offset = torch.cartesian_prod(*(torch.arange(3, device=self.cells.device),) * 3)
        x, y, z = (self.cells[:, 1:, None] + offset.T).unbind(1)
        return rows[b[:, None], x, y, z]

    def parents(self) -> tuple[Tokens, Int[Tensor, " n"]]:
        """Active cells of twice the size, and the row among them of each token's."""
        side = self.resolution // 2
        b, x, y, z = torch.cat([self.cells[:, :1], self.cells[:, 1:] // 2], dim=1).T
        number, row = torch.unique(((b * side + x) * side + y) * side + z, return_inverse=True)
        cells = torch.stack([number // side**3, number // side**2 % side, number // side % side, number % side], dim=1)
        return Tokens(cells, side, self.objects), row


class SparseConvolution(nn.Module):
    """A 3 x 3 x 3 convolution over tokens; cells that are not active count as zero."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        dense = nn.Linear(KERNEL * before, width)  # for its initial values
        self.weight = nn.Parameter(dense.weight.detach().T.reshape(KERNEL, before, width).contiguous())
        self.bias = nn.Parameter(dense.bias.detach())

    def forward(self, features: Float[Tensor, "n C"], neighbours: Int[Tensor, "n 27"]) -> Float[Tensor, "n K"]:
        """Features of `neighbours`, each times the matrix of its place, summed."""
        return _Convolution.apply(features, self.weight, neighbours) + self.bias


class _Convolution(torch.autograd.Function):
    """The convolution; its gradient is one with the neighbourhood turned over, so that nothing is scattered."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, neighbours: Tensor) -> Tensor:
        ctx.save_for_backward(features, weight, neighbours)
        return _gathered(features, neighbours) @ weight.flatten(0, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,), (features, weight, neighbours) = gradients, ctx.saved_tensors
        features, weight = features.to(gradient.dtype), weight.to(gradient.dtype)  # half precision if forward was
        of_features = of_weight = None
        if ctx.needs_input_grad[0]:
            turned = weight.flip(0).transpose(1, 2)
            of_features = _gathered(gradient, neighbours) @ turned.flatten(0, 1)
        if ctx.needs_input_grad[1]:
            of_weight = (_gathered(features, neighbours).T @ gradient).view_as(weight)
        return of_features, of_weight, None


def _gathered(features: Tensor, neighbours: Tensor) -> Float[Tensor, "n K"]:
    padded = torch.cat([features, features.new_zeros(1, features.shape[1])])
    return padded.index_select(0, neighbours.flatten()).view(len(neighbours), -1)


class SparseUNet(nn.Module):
    """A U-Net over tokens and their parents, modulated by a context vector and a timestep.

    Args:
        in_channels, out_channels: of the tokens.
        widths: channels of the tokens, and of cells twice as large, and so on.
        context: size of the context vector.
        blocks: residual blocks per level on the way down; one more on the way up, but for the coarsest.
        last: channels that are given to the last layer beside the features.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: tuple[int, ...], context: int, blocks: tuple[int, ...],
        last: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.enter = nn.Linear(in_channels, widths[0])
        self.timestep = nn.Sequential(nn.Linear(TIME_CHANNELS, context), nn.SiLU(), nn.Linear(context, context))
        self.down, self.up, self.lift = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level, (width, count) in enumerate(zip(widths, blocks, strict=True)):
            before = (widths[max(level - 1, 0)], *(width,) * (count - 1))
            self.down.append(nn.ModuleList(_Residual(channels, width, context) for channels in before))
            if level < len(widths) - 1:
                self.lift.append(nn.Linear(widths[level + 1], width))
                self.up.append(_Residual(width, width, context))
        self.norm = nn.LayerNorm(widths[0])
        self.leave = nn.Linear(widths[0] + last, out_channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        features: Float[Tensor, "n C"],
        levels: TokenLevels,
        context: Float[Tensor, "B D"],
        timestep: Tensor,
        last: Float[Tensor, "n L"],
    ) -> Float[Tensor, "n K"]:
        """New features of the tokens; zero at first.

        Args:
            features: of the tokens.
            levels: the tokens, their parents and so on, as many as there are widths.
            context: of each object.
            timestep: of each object [B].
            last: channels for the last layer.
        """
        context = functional.silu(context + self.timestep(timestep_embedding(timestep)))
        hidden, skips = self.enter(features), []
        for level, blocks in enumerate(self.down):
            hidden = levels.pooled(hidden, level - 1) if level else hidden
            for block in blocks:  # type: ignore[attr-defined]
                hidden = block(hidden, context, levels, level)
            skips.append(hidden)
        for level in reversed(range(len(self.up))):
            hidden = skips[level] + self.lift[level](hidden)[levels.rows[level]]
            hidden = self.up[level](hidden, context, levels, level)
        return self.leave(torch.cat([functional.silu(self.norm(hidden)), last], dim=1))


class TokenLevels:
    """Tokens with their parents, their parents' and so on, and the neighbours at each level.

    Args:
        tokens: the finest.
        count: number of levels.
    """

    def __init__(self, tokens: Tokens, count: int) -> None:
        self.tokens, self.rows = [tokens], []
        for _ in range(count - 1):
            parents, rows = self.tokens[-1].parents()
            self.tokens.append(parents)
            self.rows.append(rows)
        self.neighbours = [each.neighbours() for each in self.tokens]

    def pooled(self, features: Float[Tensor, "n C"], level: int) -> Float[Tensor, "m C"]:
        """Mean of the features at `level` over the tokens of each parent."""
        rows, count = self.rows[level], len(self.tokens[level + 1])
        number = features.new_zeros(count).index_add(0, rows, features.new_ones(len(rows)))
        return features.new_zeros(count, features.shape[1]).index_add(0, rows, features) / number[:, None]


class _Residual(nn.Module):
    def __init__(self, before: int, width: int, context: int) -> None:
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(before), nn.LayerNorm(width, elementwise_affine=False)
        self.conv_1, self.conv_2 = SparseConvolution(before, width), SparseConvolution(width, width)
        self.modulation = nn.Linear(context, 2 * width)
        self.shortcut = nn.Linear(before, width) if before != width else nn.Identity()
        nn.init.zeros_(self.conv_2.weight)

    def forward(self, features: Tensor, context: Tensor, levels: TokenLevels, level: int) -> Tensor:
        neighbours = levels.neighbours[level]
        hidden = self.norm_2(self.conv_1(functional.silu(self.norm_1(features)), neighbours))
        scale, shift = self.modulation(context)[levels.tokens[level].object].chunk(2, dim=1)
        return self.shortcut(features) + self.conv_2(
            functional.silu(torch.addcmul(shift, hidden, 1 + scale)), neighbours
        )
