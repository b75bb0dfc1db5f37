"""A feature field of low-rank factors: TensoRF's vectors and matrices, decoded by a small MLP."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, Count, CountOrNone, Samples
from maquette.geometry._factors import VectorMatrix
from maquette.geometry._mlp import mlp
from maquette.randomness import Moment


@dataclass(frozen=True)
class FactorFieldConfig:
    """Settings of the factors and of the MLP that decodes them."""

    resolution: Samples = 128  # samples along each side of the planes and lines
    components: Count = 48  # R_c, for each of the three directions
    width: Channels = 64  # of the MLP's hidden layers
    layers: CountOrNone = 1  # hidden layers of the MLP; 0: linear


class FactorField(nn.Module):
    """Positions -> components of the factors -> MLP -> `outputs` numbers.

    Source: Chen et al. 2022 (TensoRF, arXiv 2203.09517), sec. 4; as the colours of a fixed mesh: Liu et al. 2023
    (One-2-3-45++, arXiv 2311.07885), sec. 3.4.
    """

    def __init__(self, config: FactorFieldConfig, bound: float, outputs: int) -> None:
        super().__init__()
        self.bound = bound
        self.factors = VectorMatrix(config.components, config.resolution)
        self.mlp = mlp(self.factors.channels, config.width, config.layers, outputs)

    def prepare(self, moment: Moment) -> None:
        """Nothing depends on the step."""

    def groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameters by the name under which a stage gives them a learning rate."""
        return {"geometry": list(self.factors.parameters()), "network": list(self.mlp.parameters())}

    def total_variation(self) -> Tensor:
        """Mean squared difference between neighbouring samples of the factors."""
        return self.factors.total_variation()

    def outputs(self, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n O"]:
        """Outputs of the MLP at `points`, not activated."""
        return self.mlp(self.factors(points / self.bound))
