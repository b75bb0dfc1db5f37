"""The deviation of FlexiCubes: zero where every crossing is equally far, and a pull towards that elsewhere."""

import pytest
import torch

from maquette.backgrounds.solid import Solid
from maquette.geometry.dmtet import DMTet
from maquette.geometry.flexicubes import FlexiCubes
from maquette.losses.flexicubes_deviation import FlexiCubesDeviation
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.renderers.base import View
from maquette.renderers.mesh import MeshRenderer
from views import front

SMALL = {"levels": 2, "log2_table_size": 8, "base_resolution": 4, "finest_resolution": 8}


def value(geometry):
    cameras = front(distance=3.2, fov=35.0)
    parts = geometry, Plain(Plain.Config()), Solid(Solid.Config())
    rendering = MeshRenderer(MeshRenderer.Config(), bound=1.0).render(*parts, View(cameras, Shading(), False))
    return FlexiCubesDeviation(FlexiCubesDeviation.Config())(rendering, geometry)


def test_it_vanishes_where_all_crossings_are_equally_far_from_the_dual_vertex():
    geometry = FlexiCubes(FlexiCubes.Config(**SMALL, resolution=2))  # |x| - 1/2: only the centre is inside
    assert float(value(geometry).detach()) == pytest.approx(0.0, abs=1e-7)
    geometry.beta.data[7, 0] = 1.0
    assert float(value(geometry).detach()) > 1e-3


def test_descent_on_the_weights_evens_a_bumpy_surface():
    torch.manual_seed(0)
    geometry = FlexiCubes(FlexiCubes.Config(**SMALL, resolution=8))
    geometry.distances.data += 0.03 * torch.randn_like(geometry.distances)
    before = float(value(geometry).detach())
    optimiser = torch.optim.Adam([geometry.beta], lr=0.05)
    for _ in range(40):
        optimiser.zero_grad()
        value(geometry).backward()
        optimiser.step()
    assert float(value(geometry).detach()) < 0.5 * before


def test_an_empty_surface_has_none_and_no_gradient():
    geometry = FlexiCubes(FlexiCubes.Config(**SMALL, resolution=4))
    geometry.distances.data.fill_(1.0)
    term = value(geometry)
    term.backward()
    assert float(term.detach()) == 0 and not geometry.distances.grad.any()


def test_only_flexicubes_can_feed_it():
    loss, renderer, one, other = (
        part.capabilities(part.Config()) for part in (FlexiCubesDeviation, MeshRenderer, FlexiCubes, DMTet)
    )
    lacking = loss.needs - renderer.gives
    assert lacking <= one.gives and not lacking <= other.gives
