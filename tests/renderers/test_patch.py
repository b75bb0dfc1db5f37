"""A patch is a region of the whole picture; only it learns."""

from typing import Any

import pytest
import torch

from maquette.backgrounds.learned import Learned
from maquette.backgrounds.solid import Solid
from maquette.cameras import Cameras, orbit_cameras
from maquette.config.capabilities import RENDERED_SAMPLES, form
from maquette.config.parts import PartSpec, RendererSpec, check
from maquette.errors import ConfigError
from maquette.geometry.dmtet import DMTet
from maquette.geometry.gaussians import Gaussians
from maquette.geometry.hash_grid import HashGrid
from maquette.losses.z_variance import ZVariance
from maquette.materials.base import Shading
from maquette.materials.plain import Plain
from maquette.randomness import Draws
from maquette.renderers.base import Renderer, Rendering, View
from maquette.renderers.splat import Splat

SMALL = {"levels": 4, "log2_table_size": 10, "base_resolution": 4, "finest_resolution": 32}
GEOMETRIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "volume": (HashGrid, SMALL),
    "mesh": (DMTet, {**SMALL, "resolution": 16}),
    "splat": (Gaussians, {"count": 500}),
}
SIZE, PATCH = 48, 20


def geometry(base: str) -> Any:
    torch.manual_seed(0)
    cls, config = GEOMETRIES[base]
    made = cls(cls.Config(**config))
    with torch.no_grad():
        for parameter in made.parameters():
            if base == "splat" or parameter.ndim == 2:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def spec(**config: Any) -> PartSpec:
    return check(RendererSpec, config, "renderer", lambda key: None)


def cameras(count: int = 2) -> Cameras:
    turn = torch.linspace(20, 160, count)
    return orbit_cameras(turn, turn / 4, torch.full((count,), 3.0), torch.full((count,), 40.0), SIZE)


def draw(renderer: Renderer, base: str, some: Cameras, draws: Draws | None, made: Any = None) -> Rendering:
    torch.manual_seed(1)
    background: Any = Solid(Solid.Config()) if base != "volume" else Learned(Learned.Config())
    return renderer.render(
        made or geometry(base), Plain(Plain.Config()), background, View(some, Shading(), True, draws)
    )


def place(step: int) -> tuple[slice, slice]:
    draws = Draws(0, step)
    top, left = (int(draws.integers(f"patch-{side}", 0, SIZE - PATCH, 1)) for side in ("top", "left"))
    return slice(top, top + PATCH), slice(left, left + PATCH)


@pytest.mark.parametrize("base", GEOMETRIES)
def test_a_crop_is_the_same_region_of_the_whole_picture(base):
    renderer = spec(type=base).build(bound=1.0)
    whole = draw(renderer, base, cameras(), None)
    part = draw(renderer, base, cameras().cropped(5, 11, 30, 26), None)
    # smooth silhouettes blend neighbouring pixels, and a part ends at its rim
    rim = 1 if base == "mesh" else 0
    inner = (slice(None), slice(rim, 30 - rim), slice(rim, 26 - rim))
    for name in ("rgb", "opacity", "depth", "normal"):
        region = getattr(whole, name)[:, 5:35, 11:37]
        torch.testing.assert_close(getattr(part, name)[inner], region[inner], atol=2e-4, rtol=1e-4)


def test_disks_are_cropped_like_ellipsoids():
    torch.manual_seed(0)
    disks, renderer = Gaussians(Gaussians.Config(count=300, flat=True)), Splat(Splat.Config(), 1.0)
    whole, part = (draw(renderer, "splat", some, None, disks) for some in (cameras(), cameras().cropped(5, 11, 30, 26)))
    torch.testing.assert_close(part.rgb, whole.rgb[:, 5:35, 11:37], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("base", ["mesh", "splat"])
def test_the_patch_is_exact_and_the_rest_nearly(base):
    renderer = spec(type="patch", base=base, size=PATCH, downsample=2).build(bound=1.0)
    whole = draw(renderer.base, base, cameras(), None)
    drawn = draw(renderer, base, cameras(), Draws(0, 3))
    rows, columns = place(3)
    inner = (slice(None), slice(rows.start + 1, rows.stop - 1), slice(columns.start + 1, columns.stop - 1))
    torch.testing.assert_close(drawn.rgb[inner], whole.rgb[inner], atol=2e-4, rtol=1e-4)
    assert drawn.rgb.shape == whole.rgb.shape and 0 < (drawn.rgb - whole.rgb).abs().mean() < 0.02


@pytest.mark.parametrize("base", GEOMETRIES)
def test_gradients_flow_through_the_patch_alone(base):
    made = geometry(base)
    renderer = spec(type="patch", base=base, size=PATCH, downsample=4).build(bound=1.0)
    drawn = draw(renderer, base, cameras(1), Draws(0, 0), made)
    rows, columns = place(0)
    outside = torch.ones(SIZE, SIZE, dtype=torch.bool)
    outside[rows, columns] = False
    learned = list(made.parameters())
    inside, around = (
        torch.autograd.grad(drawn.rgb[:, region].sum(), learned, allow_unused=True, retain_graph=True)
        for region in (~outside, outside)
    )
    assert any(g is not None and g.abs().sum() > 0 for g in inside)
    assert all(g is None or g.abs().sum() == 0 for g in around)


def test_the_rest_can_learn_too():
    made = geometry("mesh")
    renderer = spec(type="patch", base="mesh", size=PATCH, train_rest=True).build(bound=1.0)
    drawn = draw(renderer, "mesh", cameras(1), Draws(0, 0), made)
    rows, columns = place(0)
    outside = torch.ones(SIZE, SIZE, dtype=torch.bool)
    outside[rows, columns] = False
    drawn.rgb[:, outside].sum().backward()
    assert made.texture.table.grad.abs().sum() > 0


def test_samples_know_their_pixels():
    renderer = spec(type="patch", base="volume", size=PATCH).build(bound=1.0)
    drawn = draw(renderer, "volume", cameras(), Draws(0, 0))
    rows, columns = place(0)
    found = torch.zeros(2 * SIZE * SIZE).index_add(0, drawn.samples.ray_index, drawn.samples.weights.detach())
    opacity = found.reshape(2, SIZE, SIZE)
    torch.testing.assert_close(opacity[:, rows, columns], drawn.opacity[:, rows, columns, 0].detach())
    assert opacity.sum() == pytest.approx(float(opacity[:, rows, columns].sum()), rel=1e-5)
    assert torch.isfinite(ZVariance(ZVariance.Config())(drawn, None))


def test_footprints_are_those_of_the_patch():
    made = geometry("splat")
    renderer = spec(type="patch", base="splat", size=PATCH).build(bound=1.0)
    drawn = draw(renderer, "splat", cameras(1), Draws(0, 0), made)
    drawn.rgb.square().sum().backward()
    (projection,) = drawn.projections
    assert (projection.height, projection.width) == (PATCH, PATCH)
    assert 0 < projection.visible.sum() < len(projection)
    moved = projection.means.grad.abs().sum(-1) > 0
    assert moved.any() and not (moved & ~projection.visible).any()


def test_small_pictures_and_finished_scenes_are_drawn_whole():
    for config, draws in (({"size": 64}, Draws(0, 0)), ({"size": PATCH}, None)):
        renderer = spec(type="patch", base="mesh", **config).build(bound=1.0)
        assert torch.equal(
            draw(renderer, "mesh", cameras(), draws).rgb, draw(renderer.base, "mesh", cameras(), None).rgb
        )


def test_it_takes_and_gives_what_its_base_does():
    config = spec(type="patch", base={"type": "volume", "samples": 32})
    assert config.capabilities == config.config.base.capabilities
    assert form("field") in config.capabilities.needs and RENDERED_SAMPLES in config.capabilities.gives


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ConfigError, match="no patch renderer itself"):
        spec(type="patch", base={"type": "patch", "base": "mesh"})
    with pytest.raises(ConfigError, match=r"renderer.base: missing value"):
        spec(type="patch")
    renderer = spec(type="patch", base="mesh", size=PATCH, downsample=5).build(bound=1.0)
    with pytest.raises(ConfigError, match="48 x 48 pixels cannot be drawn 5 times smaller"):
        draw(renderer, "mesh", cameras(), Draws(0, 0))
