"""A converted scene has the shape and the colours of the one it came from."""

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.conversion import convert, signed_distances
from maquette.errors import ConfigError
from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.geometry.gaussians import Gaussians
from maquette.geometry.voxel_grid import VoxelGrid
from maquette.materials.plain import Plain
from maquette.randomness import Draws
from maquette.renderers.mesh import Mesh
from maquette.renderers.splat import Splat
from maquette.renderers.volume import Volume
from maquette.scene import Scene, Viewpoint


@pytest.fixture(scope="module")
def ball() -> Scene:
    """A dense ball of radius 0.5, its centre off the origin, red above and blue below."""
    geometry = VoxelGrid(VoxelGrid.Config(resolution=48, shift=0.0))
    axis = torch.linspace(-1, 1, 48)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    distance = ((x - 0.2).square() + y.square() + (z + 0.1).square()).sqrt() - 0.5
    values = torch.stack([-distance * 4000, z.sign() * 4, -4 * torch.ones_like(z), -z.sign() * 4])
    geometry.grid.data.copy_(values[None])
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), Volume(Volume.Config(), 1.0), Viewpoint())


def dmtet(resolution: int = 20) -> Scene:
    torch.manual_seed(0)
    small = {"levels": 4, "log2_table_size": 12, "base_resolution": 4, "finest_resolution": 32}
    geometry = DMTet(DMTet.Config(**small, resolution=resolution))
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), Mesh(Mesh.Config(), 1.0), Viewpoint())


def test_distances_of_a_field_are_those_of_its_ball(ball):
    axis, found = signed_distances(ball, 41)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    true = ((x - 0.2).square() + y.square() + (z + 0.1).square()).sqrt() - 0.5
    near = true.abs() < 0.3
    assert float((found - true)[near].abs().max()) < 0.06  # about a step
    assert float((found - true)[near].mean().abs()) < 0.02


def test_a_field_becomes_tetrahedra_of_the_same_shape_and_colours(ball):
    made = dmtet()
    convert(ball, made, Draws(0, 0))
    mesh = made.surface(0)
    assert mesh.volume == pytest.approx(4 / 3 * torch.pi * 0.5**3, rel=0.08)  # cells are 0.1 wide
    assert mesh.vertices.mean(0).tolist() == pytest.approx([0.2, 0.0, -0.1], abs=0.03)
    before, after = (scene.render([0.0, 120.0], 10.0, 48) for scene in (ball, made))
    both = (before.opacity > 0.9) & (after.opacity > 0.9)
    assert both.sum() / ((before.opacity > 0.5) | (after.opacity > 0.5)).sum() > 0.85
    assert abs(before.rgb - after.rgb)[both].mean() < 0.06


def gaussians(count: int = 4000) -> Scene:
    torch.manual_seed(0)
    geometry = Gaussians(Gaussians.Config(count=count))
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), Splat(Splat.Config(), 1.0), Viewpoint())


def test_a_field_becomes_gaussians_and_those_tetrahedra(ball):
    cloud, mesh = gaussians(), dmtet(24)
    convert(ball, cloud, Draws(0, 0))
    convert(cloud, mesh, Draws(0, 0))
    before = ball.render([0.0, 120.0], 10.0, 48)
    for made in (cloud, mesh):
        after = made.render([0.0, 120.0], 10.0, 48)
        both = (before.opacity > 0.9) & (after.opacity > 0.9)
        assert both.sum() / ((before.opacity > 0.5) | (after.opacity > 0.5)).sum() > 0.85
        assert abs(before.rgb - after.rgb)[both].mean() < 0.08
    assert cloud.surface(48).vertices.mean(0).tolist() == pytest.approx([0.2, 0.0, -0.1], abs=0.03)


def test_a_field_becomes_flexicubes_of_the_same_shape(ball):
    torch.manual_seed(0)
    small = {"levels": 4, "log2_table_size": 12, "base_resolution": 4, "finest_resolution": 32}
    geometry = FlexiCubes(FlexiCubes.Config(**small, resolution=20))
    made = Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), Mesh(Mesh.Config(), 1.0), Viewpoint())
    convert(ball, made, Draws(0, 0))
    assert made.surface(0).volume == pytest.approx(4 / 3 * torch.pi * 0.5**3, rel=0.1)


def test_the_same_draws_convert_to_the_same_bits(ball):
    first, second = dmtet(8), dmtet(8)
    for made in (first, second):
        convert(ball, made, Draws(3, 0))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_an_unknown_pair_names_what_is_possible(ball):
    with pytest.raises(ConfigError, match=r"a field cannot become a voxel-grid.*dmtet"):
        convert(ball, ball, Draws(0, 0))
