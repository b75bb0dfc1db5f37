"""The field of a landscape: density and colour features at a point, by a generative hash grid and modulated layers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from maquette.kernels.hash_grid import HashGridSpec, hash_grid
from maquette.landscapes.classes import LABELS
from maquette.landscapes.modulation import ModulatedLinear

_SLOPE = 0.2  # of leaky rectifiers
_TABLE_RANGE = 1e-4  # of initial entries, to both sides of 0


class LandscapeField(nn.Module):
    """Density and features of points, from their position, the scene's code, their label and the style.

    Position and scene code together are looked up in one hash grid of five dimensions, so that worlds with different
    codes have different features at the same place. A network with modulated layers follows, without direction of view.

    Source: Chen et al. 2023 (SceneDreamer, arXiv 2302.01330), sec. 3.2 and 3.3; sizes by the authors' code.

    Args:
        spec: of the grid, in five dimensions: x, y, z, and the two numbers of the code.
        hidden: width of the network.
        features: numbers of a colour feature.
        style: numbers that the modulated layers follow.
        density: initial density, everywhere; where it is below 0 nothing is seen and nothing is learnt.
    """

    def __init__(self, spec: HashGridSpec, hidden: int, features: int, style: int, density: float) -> None:
        super().__init__()
        self.spec = spec
        self.table = nn.Parameter(torch.empty(spec.rows, spec.features_per_level).uniform_(-_TABLE_RANGE, _TABLE_RANGE))
        self.label = nn.Linear(len(LABELS), hidden, bias=False)
        nn.init.normal_(self.label.weight)
        self.first = nn.Linear(spec.channels, hidden)
        self.shared = nn.ModuleList(ModulatedLinear(hidden, hidden, style) for _ in range(3))
        self.density = nn.Linear(hidden, 1)
        nn.init.constant_(self.density.bias, density)
        self.colored = nn.ModuleList(ModulatedLinear(hidden, hidden, style) for _ in range(2))
        self.features = nn.Linear(hidden, features)

    def forward(
        self,
        positions: Float[Tensor, "n 3"],
        code: Float[Tensor, 2],
        labels: Int[Tensor, " n"],
        style: Float[Tensor, " S"],
    ) -> tuple[Float[Tensor, " n"], Float[Tensor, "n F"]]:
        """Density, 0 or more, and features of points of one scene in one style.

        Args:
            positions: in [0, 1]^3 over the window.
            code: in (-1, 1).
            labels: index into LABELS.
            style: of `StyleNetwork`.
        """
        points = torch.cat([positions, ((code + 1) / 2).expand(len(positions), -1)], dim=-1)
        hidden = self.first(hash_grid(points, self.table, self.spec)) + self.label.weight.mT[labels]
        hidden = functional.leaky_relu(hidden, _SLOPE, inplace=True)
        for layer in self.shared:
            hidden = functional.leaky_relu(layer(hidden, style), _SLOPE, inplace=True)
        density = functional.relu(self.density(hidden).squeeze(-1))
        for layer in self.colored:
            hidden = functional.leaky_relu(layer(hidden, style), _SLOPE, inplace=True)
        return density, self.features(hidden)
