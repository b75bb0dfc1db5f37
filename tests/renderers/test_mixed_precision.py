"""Under autocast networks compute in bfloat16, and everything that is geometry in float32."""

import pytest
import torch
from typer.testing import CliRunner

from maquette import plugins, registry
from maquette.backgrounds.learned import Learned
from maquette.cameras.base import orbit_cameras
from maquette.cli.app import app
from maquette.kernels.precision import in_float32, without_autocast
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.randomness import Draws, Moment
from maquette.renderers.base import View
from views import around

SCENES = {
    "hash-grid": ("volume", {"levels": 4, "log2_table_size": 10, "finest_resolution": 32}),
    "voxel-grid": ("volume", {"resolution": 12}),
    "tensorf": ("volume", {"resolution": 12}),
    "sdf-grid": ("volume", {"levels": 4, "log2_table_size": 10, "finest_resolution": 32}),
    "dmtet": ("mesh", {"resolution": 8, "levels": 4, "log2_table_size": 10, "finest_resolution": 32}),
    "flexicubes": ("mesh", {"resolution": 8, "levels": 4, "log2_table_size": 10, "finest_resolution": 32}),
    "gaussians": ("splat", {"count": 200}),
}


def drawn(geometry, renderer):
    """A lit picture of a scene whose parts are all made from one seed, and its parameters."""
    torch.manual_seed(0)
    name, settings = renderer
    cls = registry.get("geometry", geometry)
    shape = cls(cls.Config(**settings))
    draw = registry.get("renderer", name)
    parts = (shape, Plain(Plain.Config()), Learned(Learned.Config(random_solid=0.0)))
    cameras = around(30.0, elevation=20.0, size=16)
    drawing = draw(draw.Config(), bound=shape.bound)
    shape.prepare(Moment.at(0, 10, 0))
    drawing.update(shape, Moment.at(0, 10, 0))
    picture = drawing.render(*parts, View(cameras, Shading(diffuse=0.5, ambient=0.5), True, Draws(0, 0)))
    return picture, [parameter for part in parts for parameter in part.parameters()]


@pytest.mark.parametrize("geometry", SCENES)
def test_pictures_are_those_of_float32_but_for_rounding_in_networks(geometry):
    plugins.load()
    exact, _ = drawn(geometry, SCENES[geometry])
    with torch.autocast("cpu", torch.bfloat16):
        mixed, parameters = drawn(geometry, SCENES[geometry])
        (mixed.rgb.square().mean() + mixed.normal.square().mean()).backward()
    for entry in ("rgb", "opacity", "depth", "normal"):
        assert getattr(mixed, entry).dtype == torch.float32
    assert (mixed.rgb - exact.rgb).abs().mean() < 0.01 and (mixed.opacity - exact.opacity).abs().mean() < 0.01
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


def test_rays_keep_their_precision():
    cameras = orbit_cameras(*(value * torch.ones(1) for value in (30.0, 20.0, 3.0, 40.0)), 4)
    with torch.autocast("cpu", torch.bfloat16):
        directions = cameras.rays()[1]
    assert torch.equal(directions, cameras.rays()[1])


def test_half_precision_is_widened_under_autocast_alone():
    given = []
    widened = in_float32(lambda value: given.append(value.dtype))
    half = torch.ones(2, dtype=torch.bfloat16)
    widened(half)
    with torch.autocast("cpu", torch.bfloat16):
        widened(half)
        with without_autocast():
            widened(half)
    assert given == [torch.bfloat16, torch.float32, torch.bfloat16]


def test_a_run_in_mixed_precision(tiny_run):
    settings = ["stages.nerf.loop.precision=bf16-mixed", "stages.nerf.steps=2", "~stages.export"]
    result = CliRunner().invoke(app, ["run", "dreamfusion", "prompt=a red mug", *tiny_run, *settings])
    assert result.exit_code == 0, result.output
