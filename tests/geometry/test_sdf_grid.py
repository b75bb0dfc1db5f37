"""A signed-distance field: its sphere, its gradient, its two ways of being a volume."""

import pytest
import torch

from maquette.geometry.sdf_grid import SDFGrid
from maquette.losses.eikonal import Eikonal
from maquette.materials.base import Shading
from maquette.renderers.base import View
from maquette.renderers.volume import Volume
from maquette.scene import Scene, Viewpoint
from views import front

SMALL = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32}


def field(**config) -> SDFGrid:
    torch.manual_seed(0)
    return SDFGrid(SDFGrid.Config(**{**SMALL, **config}))


def scene(**config) -> Scene:
    from maquette.backgrounds.solid import Solid
    from maquette.materials.plain import Plain

    geometry = field(**config)
    renderer = Volume(Volume.Config(samples=512), bound=1.0)
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), renderer, Viewpoint())


@pytest.mark.parametrize("gradients", ["analytic", "finite-difference"])
def test_it_starts_as_a_sphere_with_unit_gradient(gradients):
    points = torch.nn.functional.normalize(torch.randn(64, 3), dim=-1) * torch.linspace(0.2, 0.9, 64)[:, None]
    found = field(radius=0.5, gradients=gradients).query(points, normals=True)
    torch.testing.assert_close(found.sdf, points.norm(dim=-1) - 0.5, atol=2e-3, rtol=0)
    torch.testing.assert_close(found.gradient.norm(dim=-1), torch.ones(64), atol=3e-2, rtol=0)
    assert (found.normal * torch.nn.functional.normalize(points, dim=-1)).sum(-1).min() > 0.99


@pytest.mark.parametrize("density", ["volsdf", "neus"])
def test_the_rendered_disc_has_the_spheres_size_and_depth(density):
    made = scene(radius=0.5, density=density, scale=0.003)
    views = made.render([0.0], 0.0, 48, normals=False)
    # a sphere of radius 0.5 at distance 3.2 fills tan(asin(0.5 / 3.2)) / tan(17.5 deg) of the half picture
    share = (0.5 / (3.2**2 - 0.25) ** 0.5 / 0.31530) ** 2 * torch.pi / 4
    assert float((views.picture.alpha > 0.5).float().mean()) == pytest.approx(float(share), rel=0.05)
    assert float(views.depth[0, 24, 24]) == pytest.approx(2.7, abs=0.02)
    assert float(views.picture.alpha.max()) > 0.99 and float(views.picture.alpha[0, 0, 0]) < 1e-3


def test_a_smaller_scale_makes_a_harder_edge():
    soft, hard = (scene(radius=0.5, scale=s).render([0.0], 0.0, 64, normals=False).picture.alpha for s in (0.1, 0.01))
    between = [((o > 0.05) & (o < 0.95)).float().mean() for o in (soft, hard)]
    assert between[1] < 0.5 * between[0]


def test_neus_does_not_depend_on_how_finely_a_ray_is_cut():
    # telescoping: the transmittance over an interval is P(end) / P(start), however many sections it has
    geometry = field(density="neus", scale=0.05)

    def opacity(sections: int) -> torch.Tensor:
        edges = torch.linspace(-0.9, 0.0, sections + 1)
        x = (edges[1:] + edges[:-1]) / 2
        points = torch.stack([x, 0 * x, 0 * x], -1)
        along = torch.tensor([1.0, 0, 0]).expand(sections, 3)
        sample, deltas = geometry.query(points), torch.full((sections,), 0.9 / sections)
        return 1 - torch.exp(-(geometry.section_density(sample, along, deltas) * deltas).sum()).detach()

    assert float(opacity(40)) == pytest.approx(float(opacity(400)), abs=5e-3)


@pytest.mark.parametrize("density", ["volsdf", "neus"])
def test_images_train_distance_features_and_scale(density):
    made = scene(density=density)
    cameras = front(distance=3.2, fov=35.0, size=16)
    from maquette.randomness import Draws

    rendering = made.renderer.render(
        made.geometry, made.material, made.background, View(cameras, Shading(), True, Draws(0, 0))
    )
    (rendering.rgb.mean() + Eikonal(Eikonal.Config())(rendering, made.geometry)).backward()
    for name, parameter in made.geometry.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name


def test_the_eikonal_term_measures_the_gradients_length():
    doubled = field(gradients="analytic")
    honest = doubled.sdf
    doubled.sdf = lambda points: 2 * honest(points)
    made = scene()
    made.geometry = doubled
    cameras = front(distance=3.2, fov=35.0, size=16)
    rendering = made.renderer.render(doubled, made.material, made.background, View(cameras, Shading(), True))
    assert float(Eikonal(Eikonal.Config())(rendering, doubled).detach()) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 0.001}, "scale 0.001 must exceed least_scale 0.002"),
        ({"base_resolution": 64, "finest_resolution": 16}, "finest_resolution"),
        ({"finest_resolution": 2**21}, "finest_resolution"),
    ],
)
def test_settings_that_cannot_be_built_are_refused_with_the_others(settings, message):
    with pytest.raises(ValueError, match=message):
        SDFGrid.Config(**settings)
