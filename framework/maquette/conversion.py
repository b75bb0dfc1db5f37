"""From one representation to another, so that stages chain: a new scene takes over the shape and colours of an old one.

Conversions are registered pair by pair: by what the source provides ("field", "surface", "splats"), and by the
class of the target geometry.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from maquette.errors import ConfigError
from maquette.export.isosurface import auto_threshold, sample_grid
from maquette.geometry.base import GaussianCloud
from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.geometry.gaussians import Gaussians, neighbour_distance
from maquette.kernels.splatting import HARMONIC_0
from maquette.randomness import Draws
from maquette.scene import SPLAT_LEVEL, Scene

Conversion = Callable[[Scene, Scene, Draws], None]
_known: dict[tuple[str, type], Conversion] = {}

COLOUR_STEPS, COLOUR_POINTS = 200, 8192  # of the fit of colours
SURFACE_RESOLUTION = 96  # samples of a field along each side of the cube, for its surface
FLATNESS = 5.0  # how much thinner than wide a Gaussian on a surface begins


def converter(provides: str, target: type) -> Callable[[Conversion], Conversion]:
    """Decorator that registers a conversion from "field", "surface" or "splats" to a geometry class."""

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
@converter("field", FlexiCubes)
@converter("splats", DMTet)
@converter("splats", FlexiCubes)
def field_to_grid(source: Scene, target: Scene, draws: Draws) -> None:
    """Distances to the field's automatic level set, exact to about half a cell, and colours fitted around it."""
    geometry: DMTet | FlexiCubes = target.geometry
    samples = max(2 * geometry.config.resolution, SURFACE_RESOLUTION) + 1
    axis, distances = signed_distances(source, samples)
    places = (geometry.corners.detach().cpu() / source.bound).clamp(-1, 1)
    found = _trilinear(distances, places).to(geometry.distances)
    geometry.distances.data.copy_(found)
    geometry.offsets.data.zero_()
    surface = geometry.mesh().vertices.detach()
    _fit_colours(source, target, surface, float(axis[1] - axis[0]), draws)


@converter("field", Gaussians)
@converter("surface", Gaussians)
def surface_to_gaussians(source: Scene, target: Scene, draws: Draws) -> None:
    """Opaque Gaussians spread evenly over the surface, flat along it, as wide as they are apart."""
    import trimesh

    geometry: Gaussians = target.geometry
    mesh = source.surface(SURFACE_RESOLUTION).to_trimesh()
    seed = int(draws.integers("surface", 0, 2**31 - 1, 1))
    places, face = trimesh.sample.sample_surface(mesh, geometry.config.count, seed=seed)
    points = torch.from_numpy(np.asarray(places)).float()
    normals = torch.from_numpy(np.asarray(mesh.face_normals[face])).float()
    colors = source.color(points, normals).cpu().clamp(0.01, 0.99)
    width = neighbour_distance(points)
    cloud = GaussianCloud(
        means=points,
        quaternions=_turned_to(normals),
        scales=torch.stack([width, width, width / FLATNESS], dim=-1),
        opacities=torch.full((len(points),), 0.9),
        harmonics=colors.logit()[:, None] / HARMONIC_0,
    )
    geometry.replace(cloud.to(geometry.means.device))


def _turned_to(normals: Float[Tensor, "n 3"]) -> Float[Tensor, "n 4"]:
    """Quaternions of rotations that take the z axis to each normal: half a turn about the direction between them."""
    between = normals + torch.tensor([0.0, 0.0, 1.0])
    opposite = between.norm(dim=-1, keepdim=True) < 1e-6
    axis = torch.where(opposite, torch.tensor([1.0, 0.0, 0.0]), between)
    return torch.cat([torch.zeros(len(normals), 1), torch.nn.functional.normalize(axis, dim=-1)], dim=-1)


def signed_distances(scene: Scene, samples: int) -> tuple[Tensor, Tensor]:
    """Signed distances, negative inside, on a grid of `samples` points along each side of the scene's cube.

    Returns:
        The places along an axis [samples], and distances [samples, samples, samples] in scene units.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    axis = torch.linspace(-scene.bound, scene.bound, samples)
    step = float(axis[1] - axis[0])
    densities = sample_grid(scene.density, axis, 2**17)
    splats = scene.geometry.provides == "splats"
    level = SPLAT_LEVEL if splats else auto_threshold(densities, scene.bound, step)
    inside = binary_fill_holes(densities > level)  # a shell counts as solid
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
