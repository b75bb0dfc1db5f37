"""Control inputs of a prior, computed from a rendering."""

import torch

from maquette.materials.base import Shading
from maquette.renderers.base import Rendering
from maquette.stages._control_inputs import control_inputs
from views import around, front


def test_depth_is_along_the_viewing_axis_and_normals_are_the_cameras():
    views = around(90.0, fov=60.0)
    origins, directions = views.rays()
    depth = -1 / directions[..., 1:2]  # to the plane y = 2, from y = 3 along -y
    assert torch.allclose((origins + depth * directions)[..., 1], torch.tensor(2.0))
    ones = torch.ones_like(depth)
    normal = torch.tensor([0.0, 1.0, 0.0]).expand(1, 8, 8, 3)
    rgb = torch.rand(1, 8, 8, 3, requires_grad=True)
    found = control_inputs(Rendering(rgb, ones, depth, normal, None, Shading(), rgb), views)
    torch.testing.assert_close(found.depth, ones)
    torch.testing.assert_close(found.normal, torch.tensor([0.0, 0.0, 1.0]).expand_as(normal), atol=1e-6, rtol=0)
    assert not found.rgb.requires_grad


def test_a_rendering_without_normals_shows_none():
    views = front(fov=60.0, size=2)
    ones = torch.ones(1, 2, 2, 1)
    white = ones.expand(1, 2, 2, 3)
    assert control_inputs(Rendering(white, ones, ones, None, None, Shading(), white), views).normal is None
