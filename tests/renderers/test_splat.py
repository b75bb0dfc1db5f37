"""What the splat renderer draws, against what is known of a ball of Gaussians."""

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import orbit_cameras
from maquette.geometry.base import GaussianCloud
from maquette.geometry.gaussians import HARMONIC_0, Gaussians
from maquette.materials.base import Shading
from maquette.materials.diffuse import Diffuse
from maquette.materials.plain import Plain
from maquette.renderers.base import View
from maquette.renderers.splat import Splat


def shell(flat: bool, count: int = 12_000, radius: float = 0.5) -> Gaussians:
    """An opaque sphere of thin Gaussians that lie along it, red where z > 0 and green below."""
    index = torch.arange(count) + 0.5
    z, angle = 1 - 2 * index / count, torch.pi * (1 + 5**0.5) * index
    places = torch.stack([(1 - z * z).sqrt() * angle.cos(), (1 - z * z).sqrt() * angle.sin(), z], dim=-1)
    # the rotation that takes the z axis to the normal: half way between them, by half a turn
    half = torch.nn.functional.normalize(places + torch.tensor([0.0, 0.0, 1.0]), dim=-1)
    quaternions = torch.cat([torch.zeros(count, 1), half], dim=-1)
    scales = torch.tensor([0.014, 0.014, 0.001]).repeat(count, 1)
    colors = torch.where(places[:, 2:] > 0, torch.tensor([4.0, -4.0, -4.0]), torch.tensor([-4.0, 4.0, -4.0]))
    geometry = Gaussians(Gaussians.Config(count=1, flat=flat))
    geometry.replace(
        GaussianCloud(
            places * radius, quaternions, scales, torch.full((count,), 0.95), colors[:, None] / HARMONIC_0, flat
        )
    )
    return geometry


def draw(geometry, azimuth=30.0, elevation=0.0, material=None, shading=None, size=64):
    one = torch.ones(1)
    cameras = orbit_cameras(one * azimuth, one * elevation, one * 3.0, one * 35.0, size)
    renderer = Splat(Splat.Config(), 1.0)
    material = material or Plain(Plain.Config())
    return (
        renderer.render(geometry, material, Solid(Solid.Config()), View(cameras, shading or Shading(), True)),
        cameras,
    )


@pytest.mark.parametrize("flat", [False, True])
def test_a_sphere_has_its_size_depth_and_normals(flat):
    with torch.no_grad():
        view, cameras = draw(shell(flat), size=192)  # footprints are at least a pixel, which blurs the outline
    share = torch.pi / 4 * (0.5 / (3.0**2 - 0.25) ** 0.5 / 0.31530) ** 2
    assert float(view.opacity.mean()) == pytest.approx(share, rel=0.08)
    assert float(view.depth[0, 96, 96]) == pytest.approx(2.5, abs=0.02)
    towards = torch.nn.functional.normalize(cameras.c2w[0, :3, 3], dim=0)
    assert float(view.normal[0, 96, 96] @ towards) > 0.95
    edge = (view.opacity[0, 96, :, 0] > 0.9).nonzero().max()
    assert float(view.normal[0, 96, edge - 2] @ towards) < 0.6


def test_colours_lie_where_they_should_over_the_background():
    with torch.no_grad():
        view, _ = draw(shell(False))
    assert view.rgb[0, 24, 32].tolist() == pytest.approx([0.98, 0.02, 0.02], abs=0.05)  # above
    assert view.rgb[0, 40, 32].tolist() == pytest.approx([0.02, 0.98, 0.02], abs=0.05)  # below
    assert view.rgb[0, 0, 0].tolist() == [1.0, 1.0, 1.0]


def test_light_from_behind_the_camera_is_brighter_than_from_the_side():
    lit = Shading(0.1, 0.9)
    with torch.no_grad():
        view, _ = draw(shell(True), material=Diffuse(Diffuse.Config()), shading=lit)
    assert float(view.rgb[0, 24, 32, 0]) > 1.2 * float(view.rgb[0, 24, 20, 0])


def test_gradients_reach_every_parameter_and_the_screen_positions():
    torch.manual_seed(0)
    geometry = Gaussians(Gaussians.Config(count=50, degree=1))
    view, _ = draw(geometry, size=24)
    (view.rgb.sum() + view.normal.sum() + view.depth.sum()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in geometry.parameters())
    assert view.projections[0].means.grad.abs().sum() > 0


def test_harmonics_look_different_from_the_other_side():
    torch.manual_seed(0)
    geometry = Gaussians(Gaussians.Config(count=1, degree=1, radius=0.01, opacity=0.9))
    geometry.scales.data.fill_(-1.5)
    geometry.harmonics.data[:, 2] = 3.0
    with torch.no_grad():
        one, other = (draw(geometry, azimuth=a)[0].rgb[0, 32, 32] for a in (0.0, 180.0))
        above, below = (draw(geometry, elevation=e)[0].rgb[0, 32, 32] for e in (60.0, -60.0))
    assert not torch.allclose(one, other, atol=0.05) or not torch.allclose(above, below, atol=0.05)
