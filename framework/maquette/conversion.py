"""From one representation to another, so that stages chain: a new scene takes over the shape and colours of an old one.

Conversions are registered pair by pair: by what the source provides, and by the class of the target geometry.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from maquette.errors import ConfigError
from maquette.export.isosurface import auto_threshold, sample_grid
from maquette.geometry.dmtet import DMTet
from maquette.randomness import Draws
from maquette.scene import Scene

Conversion = Callable[[Scene, Scene, Draws], None]
_known: dict[tuple[str, type], Conversion] = {}

COLOUR_STEPS, COLOUR_POINTS = 200, 8192  # of the fit of colours


def converter(provides: str, target: type) -> Callable[[Conversion], Conversion]:
    """Decorator that registers the conversion from what `provides` ("field", "surface") to a geometry class."""

    def decorate(function: Conversion) -> Conversion:
        _known[provides, target] = function
        return function

    return decorate


def convert(source: Scene, target: Scene, draws: Draws) -> None:
    """Give `target` the shape and colours of `source`, and its material and background where they are alike.

    Raises:
        ConfigError: there is no conversion for the pair; names those from the same source.
    """
    pair = (source.geometry.provides, type(target.geometry))
    if pair not in _known:
        reachable = [cls.part_name for provides, cls in _known if provides == pair[0]]  # type: ignore[attr-defined]
        raise ConfigError(
            f"a {pair[0]} cannot become a {target.geometry.part_name}",
            hint=f"a {pair[0]} can become: {', '.join(reachable) or 'nothing yet'}",
        )
    for name in ("material", "background"):
        old, new = getattr(source, name), getattr(target, name)
        if type(old) is type(new) and _shapes(old) == _shapes(new):
            new.load_state_dict(old.state_dict())
    _known[pair](source, target, draws)


def _shapes(module: torch.nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in module.state_dict().items()}


@converter("field", DMTet)
def field_to_dmtet(source: Scene, target: Scene, draws: Draws) -> None:
    """Distances to the field's automatic level set, exact to about half a cell, and colours fitted around it."""
    geometry: DMTet = target.geometry
    samples = 2 * geometry.config.resolution + 1
    axis, distances = signed_distances(source, samples)
    places = (geometry.corners.detach().cpu() / source.bound).clamp(-1, 1)
    found = _trilinear(distances, places).to(geometry.distances)
    geometry.distances.data.copy_(found)
    geometry.offsets.data.zero_()
    surface = geometry.mesh().vertices.detach()
    _fit_colours(source, target, surface, float(axis[1] - axis[0]), draws)


def signed_distances(scene: Scene, samples: int) -> tuple[Tensor, Tensor]:
    """Signed distances, negative inside, on a grid of `samples` points along each side of the scene's cube.

    Returns:
        The places along an axis [samples], and distances [samples, samples, samples] in scene units.
    """
    from scipy.ndimage import distance_transform_edt

    axis = torch.linspace(-scene.bound, scene.bound, samples)
    step = float(axis[1] - axis[0])
    densities = sample_grid(scene.density, axis, 2**17)
    inside = densities > auto_threshold(densities, scene.bound, step)
    outside_steps, inside_steps = distance_transform_edt(~inside), distance_transform_edt(inside)
    # the surface runs half a step outside the last point that is inside
    steps = np.where(inside, 0.5 - inside_steps, outside_steps - 0.5)
    return axis, torch.from_numpy(steps * step).float()


def _trilinear(grid: Tensor, places: Tensor) -> Tensor:
    """Values of a grid [n, n, n] over [-1, 1]^3 at `places` [m, 3]."""
    at = places.flip(-1)[None, None, None]  # grid_sample counts the last axis first
    return torch.nn.functional.grid_sample(grid[None, None], at, align_corners=True)[0, 0, 0, 0]


def _fit_colours(source: Scene, target: Scene, surface: Tensor, reach: float, draws: Draws) -> None:
    """Train the target's features so that its albedo agrees with the source's within `reach` of the surface."""
    if not len(surface):
        return
    parameters = [p for name, group in target.geometry.groups().items() if name != "shape" for p in group]
    optimiser = torch.optim.Adam(parameters, lr=1e-2, eps=1e-15)
    for step in range(COLOUR_STEPS):
        keyed = draws.sub(str(step))
        index = keyed.integers("vertex", 0, len(surface) - 1, COLOUR_POINTS).to(surface.device)
        points = surface[index] + reach * keyed.normal("offset", COLOUR_POINTS, 3).to(surface)
        wanted = source.color(points, points).to(surface)
        optimiser.zero_grad(set_to_none=True)
        albedo = target.material.albedo(target.geometry.features(points))
        (albedo - wanted).square().mean().backward()
        optimiser.step()
