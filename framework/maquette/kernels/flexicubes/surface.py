"""A mesh of quadrilaterals that can be split into triangles in two ways."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class DualSurface:
    """Dual vertices and the quadrilaterals between them.

    Args:
        vertices: v_d [V, 3].
        quads: [Q, 4] int64 into the vertices, counter-clockwise seen from outside.
        gamma: gamma_c of the cube that each vertex lies in [V].
        deviation: for each vertex, how unevenly far from it the surface crosses the edges of its patch [V], 0 or more,
            in units of length: the mean over the crossings of | |v_d - u_e| - mean |v_d - u_e| |.
    """

    vertices: Float[Tensor, "V 3"]
    quads: Int[Tensor, "Q 4"]
    gamma: Float[Tensor, " V"]
    deviation: Float[Tensor, " V"]

    def with_midpoints(self) -> tuple[Float[Tensor, "W 3"], Int[Tensor, "F 3"]]:
        """Vertices and triangles while optimising: each quadrilateral fans out from a vertex amid it.

        The new vertex lies between the middles of the diagonals, so that gamma gets gradients,

            m = (g_13 (v_1 + v_3) / 2 + g_24 (v_2 + v_4) / 2) / (g_13 + g_24),  g_ij = gamma_i gamma_j

        Returns:
            Vertices [V + Q, 3], the dual ones first, and triangles [4 Q, 3].
        """
        first, second = self._pulls()
        a, b, c, d = self.vertices[self.quads].unbind(1)
        middle = (first * (a + c) + second * (b + d)) / (2 * (first + second))
        hub = len(self.vertices) + torch.arange(len(self.quads), device=self.quads.device)
        rim = torch.stack([self.quads, self.quads.roll(-1, dims=1)], dim=-1)  # [Q, 4, 2]
        fans = torch.cat([rim, hub[:, None, None].expand(-1, 4, 1)], dim=-1)
        return torch.cat([self.vertices, middle]), fans.reshape(-1, 3)

    def with_diagonals(self) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
        """Vertices and triangles of the finished mesh: each quadrilateral is cut along the diagonal with the greater g.

        Returns:
            Vertices [V, 3] and triangles [2 Q, 3].
        """
        first, second = self._pulls()
        turned = torch.where(first >= second, self.quads, self.quads.roll(-1, dims=1))  # cut between corners 0 and 2
        return self.vertices, turned[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3)

    def _pulls(self) -> tuple[Float[Tensor, "Q 1"], Float[Tensor, "Q 1"]]:
        """g_13 and g_24."""
        gamma = self.gamma[self.quads]
        return gamma[:, 0:1] * gamma[:, 2:3], gamma[:, 1:2] * gamma[:, 3:4]
