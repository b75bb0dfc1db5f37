"""The mesh renderer draws what is there, from where the camera stands, and its gradients move shapes."""

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.geometry.base import SurfaceMesh
from maquette.geometry.dmtet import DMTet
from maquette.losses.laplacian import Laplacian
from maquette.losses.normal_consistency import NormalConsistency
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.renderers.base import View
from maquette.renderers.mesh import MeshRenderer
from views import around, front

SMALL = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32}


def sphere(**config) -> DMTet:
    torch.manual_seed(0)
    return DMTet(DMTet.Config(**{**SMALL, "resolution": 16, **config}))


def draw(geometry, azimuth=0.0, elevation=0.0, size=64, normals=True, **config):
    cameras = around(azimuth, elevation=elevation, distance=3.2, fov=35.0, size=size)
    renderer = MeshRenderer(MeshRenderer.Config(**config), bound=1.0)
    return renderer.render(
        geometry, Plain(Plain.Config()), Solid(Solid.Config()), View(cameras, Shading(), normals)
    ), cameras


class Fixed(DMTet):
    """A given triangle soup instead of the level set."""

    def given(self, vertices, triangles):
        self._given = SurfaceMesh(torch.as_tensor(vertices, dtype=torch.float32), torch.as_tensor(triangles))
        return self

    def mesh(self):
        return self._given


def test_a_sphere_has_its_size_depth_and_normals_from_every_side():
    for azimuth, elevation in ((0.0, 0.0), (70.0, 40.0)):
        view, cameras = draw(sphere(radius=0.5, resolution=24), azimuth, elevation)
        share = (0.5 / (3.2**2 - 0.25) ** 0.5 / 0.31530) ** 2 * torch.pi / 4
        assert float(view.opacity.detach().mean()) == pytest.approx(share, rel=0.02)
        assert float(view.depth[0, 32, 32].detach()) == pytest.approx(2.7, abs=0.01)
        towards = torch.nn.functional.normalize(cameras.c2w[0, :3, 3], dim=0)
        assert float(view.normal[0, 32, 32].detach() @ towards) > 0.99


def test_what_is_drawn_stands_where_the_rays_of_the_volume_renderer_look():
    # a small triangle at a known place is seen by exactly the ray that points at it
    place = torch.tensor([0.3, -0.4, 0.2])
    corners = place + 0.04 * torch.tensor([[0.0, 1, -1], [0, -1, -1], [0, 0, 1]])
    view, cameras = draw(Fixed(DMTet.Config(**SMALL, resolution=2)).given(corners, [[0, 1, 2]]), 20.0, 10.0)
    row, column = divmod(int(view.opacity[0, ..., 0].argmax()), 64)
    origin, direction = (rays[0, row, column] for rays in cameras.rays())
    missed = torch.linalg.cross(place - origin, direction).norm()
    assert float(view.opacity.max()) > 0.5 and float(missed) < 0.06


def test_a_non_square_picture_keeps_its_proportions():
    import dataclasses

    cameras = dataclasses.replace(front(distance=3.2, fov=35.0, size=32), width=64)
    clip = cameras.clip_positions(torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), 0.1, 10.0)
    ndc = clip[0, :, :3] / clip[0, :, 3:]
    assert float(ndc[1, 0]) == pytest.approx(float(ndc[2, 1]) / 2, rel=1e-5)  # +y is to the right, seen from +x


def test_an_empty_surface_shows_the_background():
    geometry = sphere()
    geometry.distances.data.fill_(1.0)
    view, _ = draw(geometry)
    assert float(view.opacity.max()) == 0 and torch.isfinite(view.rgb).all()
    assert float(NormalConsistency(NormalConsistency.Config())(view, geometry)) == 0
    view.rgb.sum().backward()


def test_images_pull_a_sphere_to_another_size():
    target, _ = draw(sphere(radius=0.6))
    geometry = sphere(radius=0.4)
    optimiser = torch.optim.Adam([geometry.distances], lr=0.02)
    for step in range(40):
        optimiser.zero_grad()
        view, _ = draw(geometry, azimuth=45.0 * step)
        (view.opacity - target.opacity.detach()).square().mean().backward()
        optimiser.step()
    view, _ = draw(geometry)
    assert float(view.opacity.detach().mean()) == pytest.approx(float(target.opacity.mean()), rel=0.05)


def test_all_parameters_learn_from_a_lit_picture():
    geometry = sphere()
    view, _ = draw(geometry)
    (view.rgb.square().mean() + view.normal[..., 2].mean()).backward()
    for name, parameter in geometry.named_parameters():
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().sum() > 0, name


def test_supersampling_keeps_the_picture_and_smooths_it():
    coarse, fine = (draw(sphere(), supersampling=n)[0].opacity for n in (1, 4))
    assert fine.shape == coarse.shape and float((fine - coarse).abs().mean()) < 0.005


def test_smoothness_terms_know_flat_from_bent():
    flat = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    bent = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]]
    faces = [[0, 1, 2], [0, 2, 3]]
    geometries = [Fixed(DMTet.Config(**SMALL, resolution=2)).given(v, faces) for v in (flat, bent)]
    term = NormalConsistency(NormalConsistency.Config())
    flat_value, bent_value = (float(term(draw(geometry)[0], geometry)) for geometry in geometries)
    assert flat_value == pytest.approx(0, abs=1e-6)
    assert bent_value == pytest.approx(1 - 1 / 3**0.5, rel=1e-4)


def test_the_laplacian_vanishes_for_a_regular_closed_surface_only_towards_its_centre():
    octahedron = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    faces = [[0, 2, 4], [2, 1, 4], [1, 3, 4], [3, 0, 4], [2, 0, 5], [1, 2, 5], [3, 1, 5], [0, 3, 5]]
    geometry = Fixed(DMTet.Config(**SMALL, resolution=2)).given(octahedron, faces)
    value = Laplacian(Laplacian.Config())(draw(geometry)[0], geometry)
    assert float(value) == pytest.approx(1.0)  # neighbours average to 0


def test_a_scene_of_a_surface_gives_exporters_its_mesh_and_colours():
    from maquette.scene import Scene, Viewpoint

    geometry = sphere(radius=0.5, resolution=24)
    scene = Scene(
        geometry, Plain(Plain.Config()), Solid(Solid.Config()), MeshRenderer(MeshRenderer.Config(), 1.0), Viewpoint()
    )
    mesh = scene.surface(resolution=8)
    assert mesh.volume == pytest.approx(4 / 3 * torch.pi * 0.5**3, rel=0.02)
    points = torch.from_numpy(mesh.vertices[:10])
    colors = scene.color(points, points)
    assert colors.shape == (10, 3) and colors.min() >= 0 and colors.max() <= 1
    assert scene.render([0.0, 90.0], 20.0, 32).normal.shape == (2, 32, 32, 3)
