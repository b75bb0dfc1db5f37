"""Transfer of colours, metallic and roughness from one scene to the features of another."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.geometry.paint import features_from_colors
from maquette.meshes.mesh import Mesh
from maquette.meshes.sampling import sample_surface
from maquette.meshes.texture import query_colors
from maquette.randomness import Draws
from maquette.scene import Scene, concat_reflectance

SURFACE_POINTS = 2**17  # points near the surface at which the source is queried, once per conversion
POINTS_PER_STEP = 8192  # of these points, in each step of a fit
COLOR_STEPS, COLOR_RATES = 200, (1e-2, 2e-3)  # steps of a fit of colours; its first and last learning rate
SOLVER_STEPS, SOLVER_RATES = 200, (0.2, 0.01)  # the same of the search for features, each row by itself
COLOR_TOLERANCE = 1 / 255  # smaller differences are invisible


class AppearanceTransfer:
    """The colours that two scenes have in common, or colours, metallic and roughness if both materials have all three.

    Args:
        source: the scene to read the appearance of.
        target: the scene to reproduce it by features.
    """

    def __init__(self, source: Scene, target: Scene) -> None:
        self._source, self._material = source, target.material
        self.channels: int = target.geometry.channels
        self.device = target.device
        origin, features = torch.zeros(1, 3), torch.zeros(1, self.channels, device=self.device)
        reflectances = source.reflectance(origin, origin), target.material.reflectance(features)
        self._physical = all(reflectance is not None for reflectance in reflectances)

    def query_source(self, points: Float[Tensor, "n 3"], normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n C"]:
        """Appearance of the source at points: colours [n, 3], or with metallic and roughness [n, 5], all in [0, 1]."""
        reflectance = self._source.reflectance(points, normals) if self._physical else None
        return self._source.color(points, normals) if reflectance is None else concat_reflectance(reflectance)

    def shade_features(self, features: Float[Tensor, "n F"]) -> Float[Tensor, "n C"]:
        """Appearance of features under the target's material, columns as in `query_source`; differentiable."""
        reflectance = self._material.reflectance(features) if self._physical else None
        return self._material.albedo(features) if reflectance is None else concat_reflectance(reflectance)

    def solve_features(self, appearance: Float[Tensor, "n C"]) -> Float[Tensor, "n F"]:
        """Features that `shade_features` maps to `appearance`: by an inverse sigmoid if that suffices, else Adam."""
        appearance = appearance.to(self.device)
        guess = features_from_colors(appearance[:, :3], self.channels)
        with torch.no_grad():
            if not len(appearance) or float((self.shade_features(guess) - appearance).abs().max()) < COLOR_TOLERANCE:
                return guess
        features = nn.Parameter(torch.zeros_like(guess))

        def loss(draws: Draws) -> Tensor:
            return (self.shade_features(features) - appearance).square().sum()

        fit_parameters([features], loss, SOLVER_STEPS, SOLVER_RATES, Draws(0, 0))
        return features.detach()


def fit_parameters(
    parameters: list[nn.Parameter],
    loss: Callable[[Draws], Tensor],
    steps: int,
    rates: tuple[float, float],
    draws: Draws,
) -> None:
    """Minimise a loss with Adam; the learning rate falls exponentially from the first of `rates` to the second.

    Args:
        parameters: trained even if they do not require gradients; that flag is restored afterwards.
        loss: the random draws of a step -> a scalar.
        steps: number of optimiser steps.
        rates: learning rates at the first and at the last step.
        draws: each step gets a stream of its own.
    """
    requires_grad = [parameter.requires_grad for parameter in parameters]
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
    for parameter, flag in zip(parameters, requires_grad, strict=True):
        parameter.requires_grad_(flag)


def fit_colors(
    transfer: AppearanceTransfer, features: Callable[[Tensor], Tensor], parameters: list[nn.Parameter], mesh: Mesh,
    deviation: float, draws: Draws,
) -> None:  # fmt: skip
    """Train a feature field to reproduce the source's appearance near the surface `mesh`.

    Args:
        transfer: the source and the target's material.
        features: points [n, 3] -> features [n, F].
        parameters: of `features`.
        mesh: the source's surface.
        deviation: standard deviation of the training points' distance from the surface, scene units.
        draws: of the conversion.
    """
    points, appearance = sample_near_surface(transfer, mesh, deviation, draws)

    def loss(keyed: Draws) -> Tensor:
        index = keyed.integers("point", 0, len(points) - 1, POINTS_PER_STEP).to(points.device)
        return (transfer.shade_features(features(points[index])) - appearance[index]).square().mean()

    fit_parameters(parameters, loss, COLOR_STEPS, COLOR_RATES, draws)


def sample_near_surface(
    transfer: AppearanceTransfer, mesh: Mesh, deviation: float, draws: Draws
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n C"]]:
    """Points on the surface displaced by normal noise of that deviation, and the source's appearance there."""
    surface_points, normals = sample_surface(mesh, SURFACE_POINTS, draws)
    points = surface_points + deviation * draws.normal("offset", len(surface_points), 3)
    appearance = query_colors(transfer.query_source, points.numpy(), normals.numpy())
    return points.to(transfer.device), torch.from_numpy(appearance).to(transfer.device)
