"""The explicit mesh: where its colours are, what of it learns, and that seams stay closed."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from PIL import Image

from maquette.backgrounds.solid import Solid
from maquette.errors import ConfigError
from maquette.export.writers import write_glb
from maquette.geometry.mesh import TriangleMesh
from maquette.losses.laplacian import Laplacian
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import bake, unwrap
from maquette.renderers.base import View
from maquette.renderers.mesh import MeshRenderer
from maquette.scene import Scene, Viewpoint
from views import around

FIELD = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32}
KINDS = ("vertex", "texture", "field")


def scene(**config) -> Scene:
    torch.manual_seed(0)
    geometry = TriangleMesh(TriangleMesh.Config(**{**FIELD, **config}))
    return Scene(
        geometry, Plain(Plain.Config()), Solid(Solid.Config()), MeshRenderer(MeshRenderer.Config(), 1.0), Viewpoint()
    )


def draw(made: Scene, azimuth: float = 0.0, size: int = 32):
    cameras = around(azimuth, distance=3.2, fov=35.0, size=size)
    return made.renderer.render(made.geometry, made.material, made.background, View(cameras, Shading(), True))


def waves(points: torch.Tensor) -> torch.Tensor:
    return 0.5 + 0.4 * torch.sin(points * torch.tensor([3.0, 4.0, 5.0]))


@pytest.fixture(scope="module")
def globe(tmp_path_factory) -> Path:
    """A ball of radius 0.6 in a glb file, painted with smooth waves through a texture with seams."""
    body = trimesh.creation.icosphere(4, 0.6)
    cut = bake(unwrap(Mesh(body.vertices, body.faces), 256), lambda points, normals: waves(points), 256)
    return write_glb(tmp_path_factory.mktemp("meshes") / "globe.glb", cut)


def sign(path: Path) -> Path:
    """A square in the plane x = 0 that faces +x: red above, green below, and to the left of who looks at it bright."""
    corners = np.array([[0, -1, -1], [0, 1, -1], [0, 1, 1], [0, -1, 1]], float)
    pixels = np.array([[[255, 0, 0], [128, 0, 0]], [[0, 255, 0], [0, 128, 0]]], np.uint8).repeat(32, 0).repeat(32, 1)
    material = trimesh.visual.material.SimpleMaterial(Image.fromarray(pixels))
    uv = [[0, 0], [1, 0], [1, 1], [0, 1]]
    visual = trimesh.visual.TextureVisuals(uv=uv, material=material)
    trimesh.Trimesh(corners, [[0, 1, 2], [0, 2, 3]], visual=visual, process=False).export(path)
    return path


def test_a_texture_is_drawn_the_right_way_up(tmp_path):
    picture = draw(scene(path=str(sign(tmp_path / "sign.obj")), size=1.0), size=64).rgb[0]
    # the square is 1 / (2 tan(17.5 deg) 3.2) = 0.496 of the picture wide; the middles of its quarters are 8 pixels out
    places = [(row, column) for row in (-8, 8) for column in (-8, 8)]
    corners = {place: (picture[32 + place[0], 32 + place[1]] * 255).round().tolist() for place in places}
    assert corners[-8, -8] == pytest.approx([255, 0, 0], abs=2) and corners[-8, 8] == pytest.approx([128, 0, 0], abs=2)
    assert corners[8, -8] == pytest.approx([0, 255, 0], abs=2) and corners[8, 8] == pytest.approx([0, 128, 0], abs=2)


@pytest.mark.parametrize("colors", ["auto", "vertex", "texture"])
def test_what_is_drawn_is_what_was_painted_and_seams_do_not_show(globe, colors):
    made = scene(path=str(globe), fit="none", colors=colors)
    view = draw(made, azimuth=40.0, size=128)
    solid = view.opacity[0, ..., 0] > 0.999
    origin, direction = (rays[0][solid] for rays in around(40.0, distance=3.2, fov=35.0, size=128).rays())
    facing = -(view.normal[0][solid] * direction).sum(-1) > 0.3  # not the rim, where a pixel spans much of the surface
    places = origin + view.depth[0][solid] * direction
    assert facing.sum() > 4000
    torch.testing.assert_close(view.rgb[0][solid][facing], waves(places)[facing], atol=0.04, rtol=0)


@pytest.mark.parametrize("colors", ["vertex", "texture"])
def test_exporters_find_its_colours_at_points_near_it(globe, colors):
    made = scene(path=str(globe), fit="none", colors=colors)
    outward = torch.nn.functional.normalize(torch.randn(200, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    torch.testing.assert_close(made.color(0.61 * outward, outward), waves(0.6 * outward), atol=0.03, rtol=0)


@pytest.mark.parametrize("colors", KINDS)
def test_shape_and_colours_learn_as_the_config_says(colors):
    for shape_learns, colors_learn in ((True, True), (True, False), (False, True), (False, False)):
        made = scene(
            subdivisions=2, texture_size=32, colors=colors, move_vertices=shape_learns, learn_colors=colors_learn
        )
        groups = made.geometry.groups()
        names = {"vertex": {"colors"}, "texture": {"colors"}, "field": {"geometry", "network"}}[colors]
        assert set(groups) == ({"shape"} if shape_learns else set()) | (names if colors_learn else set())
        learning = {id(p) for p in made.geometry.parameters() if p.requires_grad}
        assert {id(p) for group in groups.values() for p in group} == learning
        view = draw(made)
        if learning:
            (view.rgb.square().mean() + view.opacity.mean() + view.normal[..., 2].mean()).backward()
        for parameter in made.geometry.parameters():
            assert (parameter.grad is not None and parameter.grad.abs().sum() > 0) == (id(parameter) in learning)


@pytest.mark.parametrize("colors", ["vertex", "texture"])
def test_pictures_teach_it_colours(globe, colors):
    target, made = scene(path=str(globe), fit="none"), scene(size=1.2, subdivisions=3, texture_size=64, colors=colors)
    wanted = [draw(target, azimuth).rgb.detach() for azimuth in (0.0, 120.0, 240.0)]
    optimiser = torch.optim.Adam(made.geometry.groups()["colors"], lr=0.1)
    for step in range(60):
        optimiser.zero_grad()
        (draw(made, 120.0 * (step % 3)).rgb - wanted[step % 3]).square().mean().backward()
        optimiser.step()
    assert float((draw(made, 60.0).rgb - draw(target, 60.0).rgb).abs().mean().detach()) < 0.02


def test_vertices_on_a_seam_are_one_and_move_as_one(globe):
    geometry = scene(path=str(globe), fit="none", move_vertices=True).geometry
    mesh = geometry.mesh()
    assert len(mesh.vertices) == 2562 and len(geometry.paint.uv) > 2562
    assert len(mesh.edges[0]) == 3 * len(mesh.triangles) / 2  # every edge has two triangles
    with torch.no_grad():
        geometry.positions += 0.1 * torch.randn_like(geometry.positions)
    assert len(geometry.mesh().edges[0]) == 3 * len(mesh.triangles) / 2
    assert Laplacian(Laplacian.Config())(draw(scene(path=str(globe), fit="none")), geometry) < 0.01


def test_colours_follow_vertices_that_have_moved():
    made = scene(subdivisions=1, colors="vertex", move_vertices=True)
    with torch.no_grad():
        made.geometry.paint.features[0] = 5.0
        before = made.geometry.positions[0].clone()
        assert made.color(before[None], before[None]).min() > 0.9
        made.geometry.positions[0] *= 1.5
        after = made.geometry.positions[0]
        assert made.color(after[None], after[None]).min() > 0.9


@pytest.mark.parametrize(("shape", "volume"), [("sphere", 4 / 3 * np.pi * 0.5**3), ("box", 1.0)])
def test_simple_shapes_have_their_size(shape, volume):
    mesh = scene(shape=shape, subdivisions=3, size=1.0).surface(8)
    assert mesh.volume == pytest.approx(volume, rel=0.02) and np.ptp(mesh.bounds, axis=0).max() == pytest.approx(1.0)
    assert len(mesh.faces) == {"sphere": 20, "box": 12}[shape] * 4**3


def test_a_mesh_without_colours_is_grey_in_any_form(tmp_path):
    trimesh.creation.box().export(tmp_path / "box.stl")
    for colors in ("vertex", "texture"):
        made = scene(path=str(tmp_path / "box.stl"), colors=colors, texture_size=32)
        view = draw(made)
        inside = view.rgb[view.opacity[..., 0] > 0.999]
        torch.testing.assert_close(inside, torch.full_like(inside, 0.5), atol=1e-3, rtol=0)


def test_vertex_colours_can_become_a_texture(tmp_path):
    body = trimesh.creation.icosphere(3, 0.6)
    body.visual.vertex_colors = (255 * waves(torch.tensor(body.vertices).float())).numpy().astype(np.uint8)
    body.export(tmp_path / "ball.ply")
    made = scene(path=str(tmp_path / "ball.ply"), fit="none", colors="texture", texture_size=128)
    points = torch.tensor(body.vertices[::10]).float()
    torch.testing.assert_close(made.color(points, points), waves(points), atol=0.04, rtol=0)


def test_more_channels_than_colours_start_half_way():
    geometry = scene(subdivisions=1, channels=5).geometry
    assert geometry.features(torch.rand(4, 3)).shape == (4, 5)
    assert geometry.paint.features[:, 3:].abs().max() == 0


@pytest.mark.parametrize("colors", KINDS)
def test_a_stored_mesh_of_another_size_can_be_restored(colors):
    small, large = (scene(subdivisions=n, colors=colors, texture_size=16 * n) for n in (1, 2))
    small.load_state_dict(large.state_dict())
    torch.testing.assert_close(draw(small).rgb, draw(large).rgb, rtol=0, atol=0)


def test_it_can_become_another_mesh():
    made, body = scene(subdivisions=1), trimesh.creation.box([0.5, 0.6, 0.7])
    made.geometry.replace_mesh(Mesh(body.vertices, body.faces, np.full((8, 3), 0.25)))
    assert made.surface(8).volume == pytest.approx(0.5 * 0.6 * 0.7)
    torch.testing.assert_close(made.color(torch.zeros(1, 3), torch.zeros(1, 3)), torch.full((1, 3), 0.25))


def test_what_does_not_fit_is_said(tmp_path):
    trimesh.creation.box([4, 4, 4]).export(tmp_path / "large.stl")
    with pytest.raises(ConfigError, match=r"geometry.size: the mesh reaches 2, beyond the bound 1"):
        scene(path=str(tmp_path / "large.stl"), fit="none")
    with pytest.raises(ConfigError, match=r"geometry.path: there is no mesh file .*gone.obj"):
        scene(path=str(tmp_path / "gone.obj"))
    with pytest.raises(ValueError, match="y is up"):
        TriangleMesh.Config(up="y", front="+y")


def test_an_object_behind_the_camera_leaves_the_background():
    made = scene(subdivisions=1, texture_size=16, colors="texture")
    with torch.no_grad():
        made.geometry.positions += torch.tensor([9.0, 0, 0])
    view = draw(made)
    assert view.opacity.max() == 0 and torch.isfinite(view.rgb).all()
