"""The pbr material against closed forms, and against the integral that it approximates."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from maquette.images.color import srgb_to_linear
from maquette.images.environment import latlong_directions, studio_radiance
from maquette.materials.base import Shading, ShadingPoints
from maquette.materials.pbr import PBR
from maquette.randomness import Draws, Moment

UP = torch.tensor([0.0, 0.0, 1.0])
ANY = {"metallic": (0.0, 1.0), "roughness": (0.0, 1.0)}


def material(**config) -> PBR:
    return PBR(PBR.Config(**{**ANY, **config}))


def lit_by(radiance, **config) -> PBR:
    """Lit by a given function of direction instead of the studio."""
    made = material(learn_environment=True, **config)
    made.log_radiance.data = radiance(latlong_directions(made.config.resolution)).log()
    return made


def features(albedo=1.0, metallic=0.0, roughness=0.5, count=1) -> torch.Tensor:
    stored = torch.tensor(albedo).expand(3)
    linear = torch.cat([stored, torch.tensor([metallic, roughness])]).double()
    return torch.logit(linear.clamp(1e-9, 1 - 1e-9)).float().expand(count, 5)


def radiance(made: PBR, surface: torch.Tensor, normal=UP, angle_deg=0.0, **shading) -> torch.Tensor:
    """Linear colour of one point whose normal is seen under an angle."""
    angle = math.radians(angle_deg)
    across = torch.linalg.cross(normal, torch.tensor([0.3, 1.0, 0.2]))
    away = -(math.cos(angle) * normal + math.sin(angle) * across / across.norm())
    point = torch.zeros(1, 3)
    return srgb_to_linear(
        made.shade(ShadingPoints(surface, point, normal[None], away[None], point), Shading(**shading))
    )[0]


def constant(value: float):
    return lambda directions: torch.full_like(directions, value)


@pytest.mark.parametrize("roughness", [0.0, 0.15, 0.5, 0.9])
def test_a_white_metal_in_a_white_furnace_gives_back_at_most_what_arrives(roughness):
    for angle_deg in (0.0, 45.0, 80.0):
        seen = radiance(lit_by(constant(0.7)), features(1.0, 1.0, roughness), angle_deg=angle_deg)
        assert float(seen.detach().max()) <= 0.7 * 1.001
        assert float(seen.detach().min()) >= 0.7 * (1 - 0.75 * roughness**2) - 0.002  # only roughness loses


def test_a_white_metal_of_roughness_one_gives_back_one_minus_ln_2():
    # alpha = 1, n = v: D = 1 / pi and G = 2 c / (1 + c), so the reflectance is the integral of c / (1 + c) over [0, 1]
    seen = radiance(lit_by(constant(1.0)), features(1.0, 1.0, 1.0))
    torch.testing.assert_close(seen, torch.full((3,), 1 - math.log(2)), atol=1e-3, rtol=0)


def test_a_smooth_dielectric_reflects_four_percent_of_what_falls_straight_on_it():
    seen = radiance(lit_by(constant(1.0)), features(0.0, 0.0, 0.0))
    torch.testing.assert_close(seen, torch.full((3,), 0.04), atol=1e-4, rtol=0)


def test_the_diffuse_part_is_albedo_times_irradiance_over_pi():
    made, albedo = lit_by(constant(0.6)), 0.5
    with_base, without = (radiance(made, features(a, 0.0, 0.7), angle_deg=30.0) for a in (albedo, 0.0))
    expected = srgb_to_linear(torch.tensor(albedo)) * 0.6  # the irradiance of constant light is pi times its radiance
    torch.testing.assert_close(with_base - without, expected.expand(3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("rotation_deg", [0.0, 90.0])
def test_a_mirror_shows_the_environment_where_the_ray_goes_after_it(rotation_deg):
    made = lit_by(lambda directions: 0.5 + 0.4 * directions, rotation_deg=rotation_deg)
    normal = torch.nn.functional.normalize(torch.tensor([0.6, -0.3, 0.5]), dim=0)
    mirrored_at = torch.nn.functional.normalize(torch.tensor([0.2, 0.9, 0.4]), dim=0)  # outgoing: towards the camera
    incoming = 2 * (normal @ mirrored_at) * normal - mirrored_at
    point = torch.zeros(1, 3)
    seen = made.shade(ShadingPoints(features(1.0, 1.0, 0.0), point, normal[None], -mirrored_at[None], point), Shading())
    x, y, z = incoming.tolist()
    turned = torch.tensor([x, y, z] if rotation_deg == 0 else [y, -x, z])  # what the turned map holds there
    torch.testing.assert_close(srgb_to_linear(seen)[0], 0.5 + 0.4 * turned, atol=5e-3, rtol=0)


@pytest.mark.parametrize(
    ("metallic", "roughness", "angle_deg", "tolerance"),
    [
        (1.0, 0.5, 0.0, 0.02),
        (1.0, 0.3, 0.0, 0.02),
        (0.0, 0.5, 45.0, 0.04),
        (0.6, 0.5, 30.0, 0.1),
        (1.0, 0.9, 60.0, 0.08),
    ],
)
def test_split_sums_come_near_the_integral_of_light_times_brdf(metallic, roughness, angle_deg, tolerance):
    normal = torch.nn.functional.normalize(torch.tensor([0.5, 0.2, 0.6]), dim=0)
    made = lit_by(lambda directions: 0.5 * studio_radiance(directions))
    seen = radiance(made, features(0.7, metallic, roughness), normal, angle_deg).detach().numpy()
    expected = _monte_carlo(normal, angle_deg, float(srgb_to_linear(torch.tensor(0.7))), metallic, roughness)
    assert seen == pytest.approx(expected, rel=tolerance)  # exact head-on, an approximation elsewhere


def _monte_carlo(normal, angle_deg, albedo, metallic, roughness, samples=100_000) -> float:
    """Reflected radiance under half the studio's light, from directions uniform over the hemisphere."""
    rng = np.random.default_rng(0)
    n = normal.double().numpy()
    light = rng.normal(size=(samples, 3))
    light /= np.linalg.norm(light, axis=1, keepdims=True)
    light *= np.sign(light @ n)[:, None]
    angle = math.radians(angle_deg)
    across = np.cross(n, [0.3, 1.0, 0.2])
    view = math.cos(angle) * n + math.sin(angle) * across / np.linalg.norm(across)
    half = light + view
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    nl, nv, nh, vh = light @ n, view @ n, half @ n, half @ view
    a2 = roughness**4
    distribution = a2 / (np.pi * (nh**2 * (a2 - 1) + 1) ** 2)
    smith = [(np.sqrt(1 + a2 * (1 / c**2 - 1)) - 1) / 2 for c in (nl, nv)]
    f0 = 0.04 * (1 - metallic) + albedo * metallic
    fresnel = f0 + (1 - f0) * (1 - vh) ** 5
    brdf = (1 - metallic) * albedo / np.pi + distribution * fresnel / ((1 + sum(smith)) * 4 * nl * nv)
    arriving = 0.5 * studio_radiance(torch.from_numpy(light))[:, 0].numpy()
    return float((brdf * arriving * nl).mean() * 2 * np.pi)


def test_gradients_reach_features_normals_and_environment():
    made = material(learn_environment=True, resolution=8)
    surface = torch.randn(50, 5, requires_grad=True)
    normals = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1)
    normals[0] = UP  # a pole of the map
    normals.requires_grad_()
    away = -normals.detach().roll(1, 1) - normals.detach()
    points = torch.zeros(50, 3)
    directions = torch.nn.functional.normalize(away, dim=-1)
    made.shade(ShadingPoints(surface, points, normals, directions, points), Shading()).sum().backward()
    for gradient in (surface.grad, normals.grad, made.log_radiance.grad):
        assert torch.isfinite(gradient).all() and gradient.abs().sum() > 0
    assert (surface.grad.abs().sum(0) > 0).all()


def test_an_environment_is_learned_from_how_a_ball_looks():
    normals = latlong_directions(8).reshape(-1, 3)
    surface = features(0.8, 1.0, 0.3, len(normals))
    points = torch.zeros_like(normals)

    def look(made):
        return made.shade(ShadingPoints(surface, points, normals, -normals, points), Shading())

    target = look(lit_by(lambda d: 0.3 + 0.25 * d[..., :1] + 0.0 * d, resolution=8)).detach()
    made = material(learn_environment=True, resolution=8)
    before = float((look(made) - target).abs().mean().detach())
    optimiser = torch.optim.Adam(made.parameters(), lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        (look(made) - target).square().mean().backward()
        optimiser.step()
    assert float((look(made) - target).abs().mean().detach()) < 0.1 * before


def test_a_fixed_environment_has_no_parameters_and_nothing_is_drawn_at_random():
    made = material()
    assert not list(made.parameters()) and not made.state_dict()
    assert made.shading(Moment(5, 10, Draws(0, 5))) == Shading()


def test_exporters_are_given_albedo_metallic_and_roughness_in_their_ranges():
    made = PBR(PBR.Config(metallic=(0.2, 0.6), roughness=(0.1, 0.9)))
    found = made.reflectance(features(0.25, 0.5, 1.0, 4))
    torch.testing.assert_close(found.albedo, torch.full((4, 3), 0.25))
    torch.testing.assert_close(found.metallic, torch.full((4, 1), 0.4))
    torch.testing.assert_close(found.roughness, torch.full((4, 1), 0.9))


def test_textureless_shading_forgets_the_albedo():
    made = material()
    dark, white = (radiance(made, features(a, 0.0, 0.5), textureless=True) for a in (0.1, 1.0))
    torch.testing.assert_close(dark, white)


def test_no_samples_give_no_colours():
    none = torch.zeros(0, 3)
    assert material().shade(ShadingPoints(torch.zeros(0, 5), none, none, none, none), Shading()).shape == (0, 3)


def test_light_from_a_file_is_the_light_in_the_file(tmp_path):
    Image.new("RGB", (64, 32), (128, 0, 255)).save(tmp_path / "purple.png")
    made = material(environment=str(tmp_path / "purple.png"), exposure=-1.0)
    expected = srgb_to_linear(torch.tensor([128 / 255, 0, 1.0])) / 2
    torch.testing.assert_close(radiance(made, features(1.0, 1.0, 0.0)), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("wrong", [{"metallic": (0.5, 0.2)}, {"roughness": (0.9, 0.5)}])
def test_a_range_from_high_to_low_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PBR.Config(**wrong)


def test_missing_normals_are_an_error_that_says_who_makes_them():
    point = torch.zeros(1, 3)
    with pytest.raises(ValueError, match="needs_normals"):
        material().shade(ShadingPoints(features(), point, None, point, point), Shading())
