"""The curvature term against distances whose Laplacian is known."""

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.geometry.sdf_grid import SDFGrid
from maquette.losses.curvature import Curvature
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.randomness import Draws
from maquette.renderers.base import View
from maquette.renderers.volume import Volume
from views import front

SMALL = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32}


class Paraboloid(SDFGrid):
    """s = a x^2 + b y^2 + c z^2, whose Laplacian is 2 (a + b + c) everywhere."""

    weights = (1.0, -0.25, 0.5)

    def sdf(self, points):
        return (points.square() * torch.tensor(self.weights)).sum(-1)


def draw(geometry: SDFGrid):
    cameras = front(distance=3.2, fov=35.0, size=16)
    renderer = Volume(Volume.Config(samples=32), bound=1.0)
    return renderer.render(
        geometry, Plain(Plain.Config()), Solid(Solid.Config()), View(cameras, Shading(), False, Draws(0, 0))
    )


def test_it_is_the_laplacian_of_a_quadratic():
    geometry = Paraboloid(Paraboloid.Config(**SMALL, gradient_epsilon=0.05))
    value = Curvature(Curvature.Config())(draw(geometry), geometry)
    assert float(value) == pytest.approx(2 * 1.25, rel=1e-3)


def test_the_initial_sphere_has_twice_its_mean_curvature():
    # of |x| - r, which the network adds nothing to at first, the Laplacian is 2 / |x|
    geometry = SDFGrid(SDFGrid.Config(**SMALL, gradient_epsilon=0.05))
    points = torch.nn.functional.normalize(torch.randn(200, 3), dim=-1) * torch.linspace(0.4, 0.9, 200)[:, None]
    torch.testing.assert_close(geometry.laplacian(points), 2 / points.norm(dim=-1), atol=0.03, rtol=0)


def test_fewer_samples_estimate_the_same():
    geometry = SDFGrid(SDFGrid.Config(**SMALL, gradient_epsilon=0.05))
    picture = draw(geometry)
    everything, some = (float(Curvature(Curvature.Config(samples=n))(picture, geometry).detach()) for n in (10**9, 500))
    assert len(picture.samples.points) > 2000 and some == pytest.approx(everything, rel=0.1)


def test_it_trains_the_distance():
    geometry = SDFGrid(SDFGrid.Config(**SMALL))
    torch.nn.init.normal_(geometry.mlp[-1].weight, std=0.1)
    Curvature(Curvature.Config())(draw(geometry), geometry).backward()
    assert geometry.table.grad.abs().sum() > 0


def test_empty_space_has_no_curvature():
    geometry = SDFGrid(SDFGrid.Config(**SMALL))
    renderer = Volume(Volume.Config(samples=32), bound=1.0)
    renderer.occupancy.occupied.fill_(False)
    cameras = front(distance=3.2, fov=35.0)
    picture = renderer.render(
        geometry, Plain(Plain.Config()), Solid(Solid.Config()), View(cameras, Shading(), False, Draws(0, 0))
    )
    assert float(Curvature(Curvature.Config())(picture, geometry)) == 0


def test_it_needs_a_geometry_with_a_laplacian():
    from maquette.geometry.hash_grid import HashGrid

    needs, drawn = (part.capabilities(part.Config()) for part in (Curvature, Volume))
    with_sdf, without = (part.capabilities(part.Config()).gives for part in (SDFGrid, HashGrid))
    assert needs.needs <= drawn.gives | with_sdf
    assert not needs.needs <= drawn.gives | without
