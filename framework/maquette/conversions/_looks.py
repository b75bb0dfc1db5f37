"""Colours, metal and roughness on their way from one scene to another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.conversions._solids import spread
from maquette.geometry.paint import unshaded
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import query_colors
from maquette.randomness import Draws
from maquette.scene import Scene, as_columns

POOL = 2**17  # points near the surface at which the source is asked once
POINTS, STEPS = 8192, 200  # of these points per step of a fit, and its steps
RATES = (1e-2, 2e-3)  # learning rate at the first and the last step
SOLVER_STEPS, SOLVER_RATES = 200, (0.2, 0.01)  # of the search for features, each row by itself
JUST_SEEN = 1 / 255  # a smaller difference cannot be seen


class Look:
    """What both scenes know of how the source looks: its colours, and its metal and roughness if both have them."""

    def __init__(self, source: Scene, target: Scene) -> None:
        self._source, self._material = source, target.material
        self.channels: int = target.geometry.channels
        self.device = target.device
        nowhere, nothing = torch.zeros(1, 3), torch.zeros(1, self.channels, device=self.device)
        known = source.reflectance(nowhere, nowhere), target.material.reflectance(nothing)
        self._physical = all(side is not None for side in known)

    def wanted(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n C"]:
        """How the source looks at points: colours [n, 3], or with metallic and roughness [n, 5], all in [0, 1]."""
        found = self._source.reflectance(points, normals) if self._physical else None
        return self._source.color(points, normals) if found is None else as_columns(found)

    def shown(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n C"]:
        """How features look under the target's material; differentiable."""
        found = self._material.reflectance(features) if self._physical else None
        return self._material.albedo(features) if found is None else as_columns(found)

    def features(self, wanted: Float[Tensor, "n C"]) -> Float[Tensor, "n F"]:
        """Features that look as wanted: known at once where a sigmoid shows the colours, searched for otherwise."""
        wanted = wanted.to(self.device)
        guess = unshaded(wanted[:, :3], self.channels)
        with torch.no_grad():
            if not len(wanted) or float((self.shown(guess) - wanted).abs().max()) < JUST_SEEN:
                return guess
        found = nn.Parameter(torch.zeros_like(guess))
        fit([found], lambda draws: (self.shown(found) - wanted).square().sum(), SOLVER_STEPS, SOLVER_RATES, Draws(0, 0))
        return found.detach()


def fit(
    parameters: list[nn.Parameter],
    loss: Callable[[Draws], Tensor],
    steps: int,
    rates: tuple[float, float],
    draws: Draws,
) -> None:
    """Adam for some steps, its learning rate falling exponentially between the two of `rates`.

    Args:
        parameters: trained whether they ask for gradients or not.
        loss: the draws of a step -> a scalar.
        steps: how many.
        rates: at the first and at the last step.
        draws: from which each step has its own.
    """
    wanted = [parameter.requires_grad for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimiser = torch.optim.Adam(parameters, eps=1e-15, fused=True)
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = rates[0] * (rates[1] / rates[0]) ** (step / max(steps - 1, 1))
        optimiser.zero_grad(set_to_none=True)
        loss(draws.sub(str(step))).backward()
        optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    for parameter, asked in zip(parameters, wanted, strict=True):
        parameter.requires_grad_(asked)


def fit_colours(
    look: Look, features: Callable[[Tensor], Tensor], parameters: list[nn.Parameter], mesh: Mesh, reach: float,
    draws: Draws,
) -> None:  # fmt: skip
    """Train a field of features to look as wanted within about `reach` of the surface `mesh`."""
    points, wanted = pool(look, mesh, reach, draws)

    def loss(keyed: Draws) -> Tensor:
        index = keyed.integers("point", 0, len(points) - 1, POINTS).to(points.device)
        return (look.shown(features(points[index])) - wanted[index]).square().mean()

    fit(parameters, loss, STEPS, RATES, draws)


def pool(
    look: Look, mesh: Mesh, reach: float, draws: Draws
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n C"]]:  # fmt: skip
    """Points about the surface, off it by a normal deviation of `reach`, and how the source looks at them."""
    places, normals = spread(mesh, POOL, draws)
    points = places + reach * draws.normal("offset", len(places), 3)
    wanted = query_colors(look.wanted, points.numpy(), normals.numpy())
    return points.to(look.device), torch.from_numpy(wanted).to(look.device)
