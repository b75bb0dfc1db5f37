"""Functions of density fields: activation and initial blob of the density, and normals from its gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from maquette.annotations import Positive

Blob = Literal["none", "dreamfusion", "magic3d"]
Activation = Literal["softplus", "exp"]
Normals = Literal["analytic", "finite-difference", "predicted"]


@dataclass(frozen=True)
class DensityConfig:
    """How a field's raw output becomes a density, and how normals are computed from it."""

    activation: Activation = "softplus"  # raw output -> density
    shift: float = 0.0  # added to the raw density
    blob: Blob = "magic3d"  # initial shape
    blob_strength: float = 10.0  # lambda_tau
    blob_radius: Positive = 0.5  # sigma_tau, scene units
    normals: Normals = "finite-difference"  # how normals are computed
    normal_epsilon: Positive = 0.02  # of finite differences, scene units


def density_of(raw: Float[Tensor, " n"], points: Float[Tensor, "n 3"], config: DensityConfig) -> Float[Tensor, " n"]:
    """Densities from raw outputs at points: activation(raw + shift + blob)."""
    initial = blob(points, config.blob, config.blob_strength, config.blob_radius)
    return activate(raw + config.shift + initial, config.activation)


def density_normal(
    density: Callable[[Tensor], Tensor], points: Float[Tensor, "n 3"], config: DensityConfig
) -> Float[Tensor, "n 3"]:
    """Unit normals at points, analytic or by finite differences as configured; not for "predicted"."""
    return normal_of(density, points, config.normal_epsilon if config.normals == "finite-difference" else None)


def normal_of(
    density: Callable[[Tensor], Tensor], points: Float[Tensor, "n 3"], epsilon: float | None = None
) -> Float[Tensor, "n 3"]:
    """Unit normals -grad density / |grad density|, differentiable; `epsilon` as in `gradient_of`."""
    return functional.normalize(-gradient_of(density, points, epsilon), dim=-1, eps=1e-6)


def gradient_of(
    function: Callable[[Tensor], Tensor], points: Float[Tensor, "n 3"], epsilon: float | None
) -> Float[Tensor, "n 3"]:
    """The gradient of a function [n, 3] -> [n] at points, differentiable while autograd is on.

    Args:
        epsilon: None differentiates by autograd; a length in scene units takes finite differences of four values, at
            the corners of a tetrahedron sqrt(3) epsilon from the point.
    """
    if epsilon is None:
        create_graph = torch.is_grad_enabled()
        with torch.enable_grad():
            points = points.detach().requires_grad_(True)
            (gradient,) = torch.autograd.grad(function(points).sum(), points, create_graph=create_graph)
        return gradient
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).to(points)
    values = function((points[:, None] + epsilon * corners).reshape(-1, 3)).reshape(-1, 4)
    return (values[:, :, None] * corners).sum(1) / (4 * epsilon)


def blob(points: Float[Tensor, "n 3"], kind: Blob, strength: float, radius: float) -> Float[Tensor, " n"] | float:
    """Offset of the raw density, so that optimisation starts from a ball.

    "dreamfusion": strength exp(-|x|^2 / (2 radius^2)); "magic3d": strength (1 - |x| / radius).

    Source: Poole et al. 2022 (arXiv 2209.14988), app. A.2; Lin et al. 2022 (Magic3D, arXiv 2211.10440), sec. 4.1.
    """
    if kind == "none":
        return 0.0
    if kind == "dreamfusion":
        return strength * torch.exp(-points.square().sum(-1) / (2 * radius**2))
    return strength * (1 - points.norm(dim=-1) / radius)


def activate(raw: Tensor, activation: Activation) -> Tensor:
    """Densities from raw outputs; the exponential's argument is clipped at 15 so that it cannot overflow."""
    return functional.softplus(raw) if activation == "softplus" else torch.exp(raw.clamp(max=15.0))
