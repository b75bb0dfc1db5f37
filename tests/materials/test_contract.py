"""What renderers hand to a material."""

from dataclasses import dataclass

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.cameras.base import orbit_cameras
from maquette.config.capabilities import Capabilities
from maquette.geometry.dmtet import DMTet
from maquette.geometry.sdf_grid import SDFGrid
from maquette.materials.base import Material, Shading
from maquette.materials.pbr import PBR
from maquette.renderers.base import View
from maquette.renderers.mesh import MeshRenderer
from maquette.renderers.volume import Volume

SMALL = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32, "channels": 5}


class ShowsDirections(Material):
    """Its colour is the viewing direction."""

    @dataclass(frozen=True)
    class Config:
        pass

    @classmethod
    def capabilities(cls, config):
        return Capabilities(feature_channels=3)

    def albedo(self, features):
        return features

    def shade(self, points, shading):
        return points.directions


def drawn(kind, material):
    torch.manual_seed(0)
    cameras = orbit_cameras(torch.tensor([30.0, 200.0]), torch.tensor([20.0, -10.0]), torch.full((2,), 3.2),
                            torch.full((2,), 35.0), 32)  # fmt: skip
    if kind == "mesh":
        geometry, renderer = DMTet(DMTet.Config(**SMALL, resolution=16)), MeshRenderer(MeshRenderer.Config(), bound=1.0)
    else:
        geometry = SDFGrid(SDFGrid.Config(**SMALL))
        renderer = Volume(Volume.Config(samples=64), bound=geometry.bound)
    background = Solid(Solid.Config(color=(0.0, 0.0, 0.0)))
    return renderer.render(geometry, material, background, View(cameras, Shading(), False)), cameras


@pytest.mark.parametrize("kind", ["mesh", "volume"])
def test_directions_point_from_the_camera_to_the_sample(kind):
    view, cameras = drawn(kind, ShowsDirections(ShowsDirections.Config()))
    solid = view.opacity[..., 0] > 0.999
    assert solid.sum() > 100
    torch.testing.assert_close(view.rgb[solid], cameras.rays()[1][solid], atol=0.01, rtol=0)


@pytest.mark.parametrize("kind", ["mesh", "volume"])
def test_a_material_that_reads_normals_gets_them_unasked_and_teaches_all_features(kind):
    material = PBR(PBR.Config(learn_environment=True, resolution=8))
    view, _ = drawn(kind, material)
    assert view.normal is None and float(view.rgb.detach().max()) <= 1 + 1e-5
    view.rgb.sum().backward()
    assert float(material.log_radiance.grad.abs().sum()) > 0
