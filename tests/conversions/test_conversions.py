"""A converted scene has the shape and the colours of the one it came from."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from coloured_ball import CENTRE, RADIUS, VOLUME, converted, empty, field_ball, mesh_ball

from maquette.conversions import convert
from maquette.errors import ConfigError
from maquette.materials.diffuse import Diffuse
from maquette.materials.latent import Latent
from maquette.materials.pbr import PBR
from maquette.meshes.mesh import Mesh
from maquette.randomness import Draws
from maquette.scene import Scene

SOURCES = {
    "field": field_ball,
    "mesh": mesh_ball,
    "dmtet": lambda: converted(mesh_ball(), "dmtet", resolution=32),
    "splats": lambda: converted(mesh_ball(), "gaussians"),
}
# how far surfaces may lie from the ball's on average, in scene units: cells are 1/12 wide, Gaussians 0.02 thick
NEAR = {"mesh": 0.004, "sdf-grid": 0.005, "dmtet": 0.005, "flexicubes": 0.009}
PAIRS = [
    *(("field", kind, {}) for kind in ("mesh", "sdf-grid", "dmtet", "flexicubes", "gaussians")),
    *(("mesh", "mesh", {"colors": colors}) for colors in ("vertex", "texture", "field")),
    *(("mesh", kind, {}) for kind in ("sdf-grid", "dmtet", "flexicubes", "gaussians")),
    *(("dmtet", kind, {}) for kind in ("mesh", "gaussians")),
    *(("splats", kind, {}) for kind in ("mesh", "sdf-grid", "dmtet", "flexicubes")),
]


SMALLER = {  # than a user's conversion, and fine enough for the bounds below
    "_surfaces.SURFACE_RESOLUTION": 64,
    "_appearance.SURFACE_POINTS": 2**14,
    "_appearance.POINTS_PER_STEP": 2048,
    "sdf_grid.POINTS_PER_STEP": 2048,
    "sdf_grid.SDF_RESOLUTION": 41,
}


@pytest.fixture(scope="module", autouse=True)
def _small_conversions() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALLER.items():
            patch.setattr(f"maquette.conversions.{name}", value)
        yield


@pytest.fixture(scope="module")
def sources() -> dict[str, Scene]:
    return {name: make() for name, make in SOURCES.items()}


def distances(mesh: Mesh) -> np.ndarray:
    """From the ball, of points spread over a mesh."""
    corners = mesh.vertices[mesh.faces]
    points = np.concatenate([mesh.vertices, corners.mean(1)])
    return np.abs(np.linalg.norm(points - np.array(CENTRE), axis=1) - RADIUS)


def assert_looks_like_the_ball(made: Scene, least: float = 0.9) -> None:
    before, after = (scene.render([0.0, 120.0], 10.0, 64) for scene in (mesh_ball(), made))
    covered = [views.picture.alpha[..., 0] > 0.5 for views in (before, after)]
    assert (covered[0] & covered[1]).sum() / (covered[0] | covered[1]).sum() > least
    solid = (before.picture.alpha[..., 0] > 0.99) & (after.picture.alpha[..., 0] > 0.99)
    assert (before.rgb - after.rgb).abs()[solid].mean() < 0.04


@pytest.mark.parametrize(("source", "kind", "config"), PAIRS, ids=lambda value: str(value))
def test_shape_and_colours_are_kept(sources, source, kind, config, caplog):
    caplog.set_level("INFO", "maquette")
    made = converted(sources[source], kind, **config)
    assert_looks_like_the_ball(made, 0.87 if source == "splats" else 0.9)  # a pixel around the ball is 0.08
    blur = 0.02 if source == "splats" else 0.0  # what a cloud of Gaussians adds around its surface
    if kind == "gaussians":
        away = np.linalg.norm(made.geometry.means.detach().numpy() - np.array(CENTRE), axis=1) - RADIUS
        assert np.abs(away).mean() < 0.01
        return
    mesh = made.surface(64)
    assert distances(mesh).mean() < NEAR[kind] + blur
    assert mesh.volume == pytest.approx(VOLUME, rel=0.06 + 4 * blur)
    if kind == "sdf-grid":
        said = float(caplog.text.split("off by ")[1].split()[0])
        assert said < 0.002


@pytest.mark.parametrize("kind", ["mesh", "dmtet", "sdf-grid", "gaussians"])
def test_the_same_draws_convert_to_the_same_bits(sources, kind, monkeypatch):
    for constant in ("_appearance.COLOR_STEPS", "sdf_grid.SDF_STEPS"):
        monkeypatch.setattr(f"maquette.conversions.{constant}", 20)
    monkeypatch.setattr("maquette.conversions.sdf_grid.SDF_RESOLUTION", 17)
    config = {"colors": "field"} if kind == "mesh" else {}
    first, second = (converted(sources["mesh"], kind, seed=3, **config) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_a_mesh_has_no_more_faces_than_its_config_says(sources):
    made = converted(sources["field"], "mesh", colors="vertex", max_faces=500).surface(8)
    assert 400 < len(made.faces) <= 500
    assert made.volume == pytest.approx(VOLUME, rel=0.06)


def test_crumbs_and_cavities_of_a_field_are_left_behind():
    ball = field_ball()
    axis = torch.linspace(-1, 1, 48)
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    crumb = (x + 0.8).square() + (y + 0.8).square() + (z - 0.8).square() < 0.1**2
    hollow = (x - CENTRE[0]).square() + (y - CENTRE[1]).square() + (z - CENTRE[2]).square() < 0.3**2
    ball.geometry.grid.data[0, 0][crumb] = 4000.0
    ball.geometry.grid.data[0, 0][hollow] = -4000.0
    made = converted(ball, "mesh", colors="vertex").surface(8)
    assert made.bounds[0].min() > -0.65 and distances(made).max() < 0.01


def test_small_parts_of_an_explicit_mesh_are_meant(sources):
    ball, speck = sources["mesh"].surface(8), mesh_ball().surface(8)
    both = empty("mesh", colors="vertex")
    small = speck.vertices * 0.05 - 0.7
    both.geometry.replace_mesh(
        Mesh(np.concatenate([ball.vertices, small]), np.concatenate([ball.faces, ball.faces + 10242]))
    )
    made = converted(both, "mesh", colors="vertex", max_faces=50_000)
    assert made.surface(8).bounds[0] == pytest.approx(both.surface(8).bounds[0])


def test_grids_of_the_same_size_keep_their_shape_to_the_bit(sources):
    moved = converted(sources["mesh"], "dmtet")
    moved.geometry.offsets.data.normal_(std=0.2)
    again = converted(moved, "dmtet", channels=5)  # another material follows, say
    assert torch.equal(again.geometry.mesh().vertices, moved.geometry.mesh().vertices)


def pbr() -> PBR:
    return PBR(PBR.Config(resolution=8))


@pytest.mark.parametrize(
    ("kind", "config"),
    [("mesh", {"colors": "texture"}), ("mesh", {"colors": "field"}), ("dmtet", {}), ("gaussians", {})],
)
def test_metal_and_roughness_come_along(kind, config):
    ball = field_ball(5, pbr())
    made = converted(ball, kind, pbr(), channels=5, **config)
    mesh = ball.surface(48)
    points, normals = torch.from_numpy(mesh.vertices[::50]), torch.from_numpy(mesh.vertex_normals()[::50])
    clear = points[:, 2].abs() > 0.1  # not where red meets blue
    old, new = (scene.reflectance(points[clear], normals[clear]) for scene in (ball, made))
    assert old is not None and new is not None
    assert old.metallic.std() > 0.15 and old.roughness.std() > 0.15
    for name in ("albedo", "metallic", "roughness"):
        assert (getattr(old, name) - getattr(new, name)).abs().mean() < 0.04, name


def test_colours_reach_a_material_that_stores_them_otherwise(sources):
    made = converted(sources["mesh"], "mesh", Latent(Latent.Config()), colors="vertex", channels=4)
    points = torch.tensor([[0.2, 0.0, 0.4], [0.2, 0.0, -0.6]])
    wanted = sources["mesh"].color(points, points)
    torch.testing.assert_close(made.color(points, points), wanted, atol=0.02, rtol=0)


def test_a_field_goes_on_as_it_is_under_the_same_material():
    ball, empty_grid = field_ball(), field_ball()
    empty_grid.geometry.grid.data.zero_()
    convert(ball, empty_grid, Draws(0, 0))
    assert torch.equal(empty_grid.geometry.grid, ball.geometry.grid)


def test_latents_go_on_into_their_refinement():
    ball = field_ball(4, Latent(Latent.Config()))
    refined = field_ball(4, Latent(Latent.Config(refine=True)))
    refined.geometry.grid.data.zero_()
    convert(ball, refined, Draws(0, 0))
    points = Draws(0, 1).uniform("points", 64, 3, low=-1, high=1)
    before, after = (scene.color(points, torch.zeros_like(points)) for scene in (ball, refined))
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    densities = (scene.geometry.query(points, normals=False).density for scene in (ball, refined))
    torch.testing.assert_close(*densities, rtol=0, atol=0)


@pytest.mark.parametrize("other", [field_ball(5, pbr()), field_ball(3, Diffuse(Diffuse.Config()))])
def test_an_unknown_pair_names_what_is_possible(sources, other):
    with pytest.raises(ConfigError, match=r"a field cannot become a voxel-grid.*dmtet.*mesh.*sdf-grid.*same settings"):
        convert(sources["field"], other, Draws(0, 0))


@pytest.mark.parametrize("kind", ["mesh", "sdf-grid", "dmtet", "gaussians"])
def test_what_has_no_surface_leaves_the_target_as_it_starts_and_says_so(kind, caplog):
    nothing = field_ball()
    nothing.geometry.grid.data.fill_(-1e4)
    target, fresh = empty(kind), empty(kind)
    convert(nothing, target, Draws(0, 0))
    pairs = zip(target.geometry.state_dict().values(), fresh.geometry.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert "starts with its initial shape: the surface is empty" in caplog.text
