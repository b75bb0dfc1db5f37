"""The rasteriser: closed forms, derivatives, degenerate meshes, and every backend against the reference."""

from __future__ import annotations

import importlib
import math

import pytest
import torch

from maquette.kernels import numba_support
from maquette.kernels.rasterise import (
    EdgeTopology,
    Raster,
    antialias,
    edge_topology,
    interpolate,
    interpolate_derivatives,
    rasterise,
    sample_texture,
)

FAST_BACKENDS = ["numba"]
BACKENDS = ["reference", *FAST_BACKENDS]
DOUBLE = torch.float64
DOUBLE_BACKENDS = ["reference", *(pytest.param(name, marks=pytest.mark.slow) for name in FAST_BACKENDS)]
"""Kernels are compiled once more for float64, which takes a minute; in float32 they equal the reference at once."""

# A quad of two triangles with corners in the order of Z; both wind the same way.
QUAD = torch.tensor([[0, 1, 2], [2, 1, 3]])


def quad(left: float, right: float, bottom: float, top: float, dtype=torch.float32, depth: float = 0.0) -> torch.Tensor:
    corners = [[left, bottom], [right, bottom], [left, top], [right, top]]
    return torch.tensor([[[x, y, depth, 1.0] for x, y in corners]], dtype=dtype)


def soup(images: int = 2, vertices: int = 40, faces: int = 30, dtype=torch.float32):
    """Random large triangles, some behind the camera and some through its plane, with random vertex attributes."""
    keyed = torch.Generator().manual_seed(0)
    clip = torch.randn(images, vertices, 4, generator=keyed, dtype=DOUBLE)
    clip[..., 2] *= 0.7
    clip[..., 3] = 1.0 + 0.7 * clip[..., 3]
    attributes = torch.randn(images, vertices, 3, generator=keyed, dtype=DOUBLE)
    triangles = torch.randint(0, vertices, (faces, 3), generator=keyed)
    return clip.to(dtype), triangles, attributes.to(dtype)


def sphere(rows: int = 12, columns: int = 20):
    """A closed sphere in front of two cameras, of small triangles; those at the poles have no area."""
    polar = torch.linspace(0, math.pi, rows + 1)[:, None]
    around = torch.arange(columns)[None] * (2 * math.pi / columns)
    x, y, z = polar.sin() * around.cos(), polar.sin() * around.sin(), polar.cos().expand(-1, columns)
    row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    one, two = row * columns + column, row * columns + (column + 1) % columns
    faces = torch.stack([one, one + columns, two, two, one + columns, two + columns], dim=-1).reshape(-1, 3)
    views = []
    for turn in (0.3, 1.7):
        across, depth = x * math.cos(turn) - y * math.sin(turn), 2.5 - x * math.sin(turn) - y * math.cos(turn)
        views.append(torch.stack([1.7 * across, 1.7 * z, 1.02 * depth - 0.4, depth], dim=-1).reshape(-1, 4))
    attributes = torch.stack([x, y, z], dim=-1).reshape(1, -1, 3).expand(2, -1, -1)
    return torch.stack(views), faces, attributes


def degenerate():
    """Zero area (repeated vertices, collinear, a single point), behind the camera, crossing its plane, w = 0, outside,
    beyond the far plane, not finite; and one ordinary triangle among them."""
    clip = torch.tensor(
        [
            [[-0.8, -0.7, 0.1, 1.0], [0.7, -0.6, 0.2, 1.0], [0.1, 0.8, 0.3, 1.0], [0.9, 0.9, 0.0, 1.0],
             [-0.3, -0.3, 0.1, 1.0], [0.3, 0.3, 0.1, 1.0], [0.0, 0.0, 0.1, 1.0], [0.2, 0.1, 0.0, -1.0],
             [0.4, -0.2, 0.1, -2.0], [-0.5, 0.3, 0.2, -1.5], [0.1, 0.1, 0.1, 0.0], [7.0, 7.0, 0.0, 1.0],
             [9.0, 7.0, 0.0, 1.0], [7.0, 9.0, 0.0, 1.0], [0.5, 0.1, 3.0, 1.0], [float("nan"), 0.0, 0.0, 1.0],
             [float("inf"), 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
        ]
    )  # fmt: skip
    triangles = torch.tensor(
        [[0, 0, 1], [4, 6, 5], [6, 6, 6], [7, 8, 9], [0, 3, 7], [1, 2, 10], [11, 12, 13], [14, 14, 14], [0, 1, 14],
         [0, 1, 15], [2, 1, 16], [17, 17, 17], [17, 0, 1], [0, 1, 2]]
    )  # fmt: skip
    attributes = torch.randn(1, clip.shape[1], 3, generator=torch.Generator().manual_seed(0))
    return clip, triangles, attributes


SCENES = {"soup": soup, "sphere": sphere, "degenerate": degenerate}


def whole_pipeline(backend: str, clip, triangles, attributes, height: int = 37, width: int = 53):
    """Everything drawn from one scene, and the gradients of a random loss on all of it."""
    keyed = torch.Generator().manual_seed(1)
    dtype = clip.dtype
    texture = torch.rand(1, 24, 17, 3, generator=keyed, dtype=DOUBLE).to(dtype).requires_grad_()
    clip, attributes = clip.clone().requires_grad_(), attributes.clone().requires_grad_()
    raster = rasterise(clip, triangles, height, width, derivatives=True, backend=backend)
    values = interpolate(attributes, raster, triangles, backend=backend)
    changes = interpolate_derivatives(attributes[..., :2], raster, triangles, backend=backend)
    smooth = sample_texture(texture, values[..., :2], changes.flatten(-2), "trilinear", "clamp", backend=backend)
    image = torch.cat([values, smooth, raster.depth[..., None], raster.uv], dim=-1)
    blended = antialias(image, raster, clip, triangles, backend=backend)
    loss = (blended * torch.randn(blended.shape, generator=keyed, dtype=DOUBLE).to(dtype)).sum()
    results = (raster.triangle, raster.uv, raster.depth, raster.uv_derivatives, values, changes, smooth, blended)
    return [result.detach() for result in results], torch.autograd.grad(loss, (clip, attributes, texture))


def assert_near(actual: torch.Tensor, expected: torch.Tensor, relative: float) -> None:
    assert actual.shape == expected.shape and actual.dtype == expected.dtype
    if actual.numel():
        assert (actual - expected).abs().max() <= relative * expected.abs().max().clamp(min=1e-6)


# Backends against the reference


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("scene", SCENES)
def test_values_and_gradients_equal_the_reference(backend, scene):
    values, gradients = whole_pipeline(backend, *SCENES[scene]())
    expected_values, expected_gradients = whole_pipeline("reference", *SCENES[scene]())
    assert torch.equal(values[0], expected_values[0])
    for actual, expected in zip(values[1:], expected_values[1:], strict=True):
        assert_near(actual, expected, 1e-4)
    for actual, expected in zip(gradients, expected_gradients, strict=True):
        assert expected.isfinite().all()
        assert_near(actual, expected, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_float64_agrees_to_rounding(backend):
    scene = soup(dtype=DOUBLE)
    pairs = zip(whole_pipeline(backend, *scene), whole_pipeline("reference", *scene), strict=True)
    for actual, expected in pairs:
        for one, other in zip(actual, expected, strict=True):
            assert_near(one, other, 1e-9)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_a_mesh_outside_the_image_and_an_empty_mesh_equal_the_reference(backend):
    clip, triangles, attributes = soup()
    shifted = clip.abs() + torch.tensor([100.0, 0.0, 0.0, 0.1])
    for scene in ((shifted, triangles, attributes), (clip, triangles[:0], attributes)):
        values, gradients = whole_pipeline(backend, *scene)
        expected_values, expected_gradients = whole_pipeline("reference", *scene)
        assert (values[0] == -1).all() and (values[2] == 1).all() and not values[4].any()
        assert not gradients[0].any() and not gradients[1].any()
        for actual, expected in zip([*values, *gradients], [*expected_values, *expected_gradients], strict=True):
            assert_near(actual, expected, 1e-4)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_bits_do_not_depend_on_the_number_of_threads(backend, monkeypatch):
    """The work is cut for 1, 2 and 5 threads, whatever this machine has; launching on fewer cores changes no cut."""
    scene = sphere(40, 60)
    runs = []
    for count in (1, 2, 5):
        for module in ("numba_cpu", "numba_interpolate"):
            importlib.import_module(f"maquette.kernels.rasterise.{module}")
            monkeypatch.setattr(f"maquette.kernels.rasterise.{module}.threads", lambda count=count: count)
        values, gradients = whole_pipeline(backend, *scene)
        runs.append([*values, *gradients])
    for other in runs[1:]:
        assert all(torch.equal(one, two) for one, two in zip(runs[0], other, strict=True))


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_real_threads_give_the_same_bits(backend):
    before, available = torch.get_num_threads(), numba_support.numba.config.NUMBA_NUM_THREADS
    if available < 2:
        pytest.skip("one thread is all there is")
    runs = []
    try:
        for count in (1, min(available, 4)):
            torch.set_num_threads(count)
            values, gradients = whole_pipeline(backend, *sphere(40, 60))
            runs.append([*values, *gradients])
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, two) for one, two in zip(*runs, strict=True))


# Which pixels a triangle covers


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_square_covers_the_pixels_whose_centres_it_holds(backend):
    """Columns 1 to 4 and rows 2 to 5 of 8 x 8; y points up and rows down."""
    clip = quad(-0.75, 0.25, -0.5, 0.5)
    clip[0, :, 1] -= 0.25
    covered = rasterise(clip, QUAD, 8, 8, backend=backend).covered[0]
    expected = torch.zeros(8, 8, dtype=torch.bool)
    expected[3:7, 1:5] = True
    assert torch.equal(covered, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_centre_on_an_edge_belongs_to_the_left_and_to_the_top(backend):
    """The sides pass through the centres of columns 1 and 3 and of rows 0 and 2 of 4 x 4."""
    covered = rasterise(quad(-0.25, 0.75, -0.25, 0.75), QUAD, 4, 4, backend=backend).covered[0]
    expected = torch.zeros(4, 4, dtype=torch.bool)
    expected[0:2, 1:3] = True
    assert torch.equal(covered, expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fan_covers_each_pixel_once(backend):
    """No gaps and no overlaps: each triangle alone, and summed, they cover the square they make up."""
    keyed = torch.Generator().manual_seed(0)
    inner = torch.rand(1, 2, generator=keyed) * 0.2
    angles = torch.linspace(0, 2 * math.pi, 14)[:-1]
    rim = torch.stack([angles.cos(), angles.sin()], dim=-1) * 5
    w = torch.rand(14, 1, generator=keyed) + 0.5
    positions = torch.cat([inner, rim]) * w
    clip = torch.cat([positions, torch.zeros(14, 1), w], dim=-1)[None]
    counts = torch.zeros(1, 33, 33)
    for step in range(13):
        one = torch.tensor([[0, 1 + step, 1 + (step + 1) % 13]])
        counts += rasterise(clip, one, 33, 33, backend=backend).covered
    assert (counts == 1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_nearest_wins_and_of_equals_the_first(backend):
    clip = torch.cat([quad(-1, 1, -1, 1, depth=depth) for depth in (0.5, -0.5, -0.5, -2.0, 2.0)], dim=1)
    triangles = torch.cat([QUAD + 4 * layer for layer in range(5)])
    raster = rasterise(clip, triangles, 4, 4, backend=backend)
    assert set(raster.triangle.flatten().tolist()) == {2, 3}
    torch.testing.assert_close(raster.depth, torch.full((1, 4, 4), -0.5))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_floor_under_the_camera_ends_at_the_horizon(backend):
    """Its corners lie in front of and behind the camera: rays that look down hit it, those that look up do not."""
    eye_height, focal, near = 1.0, 1.0, 0.1
    x, z = torch.tensor([-100.0, 100.0, -100.0, 100.0]), torch.tensor([50.0, 50.0, -2000.0, -2000.0])
    w = -z
    clip = torch.stack([focal * x, torch.full((4,), -focal * eye_height), w - 2 * near, w], dim=-1)[None]
    positions = torch.stack([x, z], dim=-1)
    raster = rasterise(clip, QUAD, 16, 20, backend=backend)
    row, column = torch.meshgrid(torch.arange(16), torch.arange(20), indexing="ij")
    down = -(1 - (2 * row + 1) / 16)  # of the ray with depth 1
    distance = eye_height / down
    across = distance * ((2 * column + 1) / 20 - 1)
    hit = (down > 0) & (distance > near) & (distance < 2000) & (across.abs() < 100)
    assert torch.equal(raster.covered[0], hit) and 0 < hit.sum() < hit.numel()
    where = interpolate(positions, raster, QUAD, backend=backend)[0]
    torch.testing.assert_close(where[hit], torch.stack([across, -distance], dim=-1)[hit], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_interpolation_is_where_the_ray_meets_the_plane(backend):
    """A tilted triangle under perspective, against ray and plane in world space."""
    corners = torch.tensor([[-1.0, -0.8, -2.0], [1.6, -0.5, -4.0], [0.2, 1.5, -3.0]], dtype=DOUBLE)
    focal, near, far = 1.5, 0.5, 10.0
    depth = -corners[:, 2]
    z = depth * (far + near) / (far - near) - 2 * far * near / (far - near)
    clip = torch.stack([focal * corners[:, 0], focal * corners[:, 1], z, depth], dim=-1)[None].float()
    triangles = torch.tensor([[0, 1, 2]])
    raster = rasterise(clip, triangles, 24, 32, derivatives=True, backend=backend)
    hit = raster.covered[0]
    met = interpolate(corners.float(), raster, triangles, backend=backend)[0][hit]

    row, column = torch.nonzero(hit, as_tuple=True)
    rays = torch.stack([(2 * column + 1) / 32 - 1, 1 - (2 * row + 1) / 24, torch.full((len(row),), -focal)], dim=-1)
    normal = torch.linalg.cross(corners[1] - corners[0], corners[2] - corners[0])
    expected = rays.double() * ((normal @ corners[0]) / (rays.double() @ normal))[:, None]
    assert len(met) > 50
    torch.testing.assert_close(met, expected.float(), rtol=1e-5, atol=1e-5)
    ndc = (far + near) / (far - near) + 2 * far * near / (far - near) / expected[:, 2]
    torch.testing.assert_close(raster.depth[0][hit], ndc.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_derivatives_per_pixel_are_differences_between_pixels(backend):
    """Of a triangle rasterised at three times the resolution, whose middle pixels have the same centres."""
    clip = torch.tensor([[[-3.0, -2.0, 0.0, 2.0], [5.0, -3.0, 0.0, 3.0], [0.0, 3.0, 0.0, 1.0]]])
    triangles, scale = torch.tensor([[0, 1, 2]]), 101
    coarse = rasterise(clip, triangles, 5, 7, derivatives=True, backend=backend)
    fine = rasterise(clip, triangles, 5 * scale, 7 * scale, backend=backend).uv[0]
    middle = scale // 2
    rows, columns = torch.arange(5) * scale + middle, torch.arange(7) * scale + middle
    along_x = (fine[rows][:, columns + 1] - fine[rows][:, columns - 1]) * scale / 2
    along_y = (fine[rows + 1][:, columns] - fine[rows - 1][:, columns]) * scale / 2
    expected = torch.stack([along_x, along_y], dim=-1).flatten(-2)
    hit = coarse.covered[0]
    assert hit.sum() > 10
    torch.testing.assert_close(coarse.uv_derivatives[0][hit], expected[hit], rtol=1e-3, atol=1e-4)


# Derivatives


@pytest.mark.parametrize("backend", DOUBLE_BACKENDS)
def test_gradients_of_rasterise_and_interpolate_equal_finite_differences(backend):
    clip = torch.tensor(
        [[[-0.9, -0.8, 0.1, 1.2], [0.9, -0.7, 0.3, 0.8], [0.1, 0.9, -0.2, 1.1], [1.2, 1.0, 0.1, -0.3]]], dtype=DOUBLE
    )
    triangles = torch.tensor([[0, 1, 2], [1, 3, 2]])
    attributes = torch.randn(4, 2, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)

    def draw(clip, attributes):
        raster = rasterise(clip, triangles, 5, 6, backend=backend)
        return raster.uv, raster.depth, interpolate(attributes, raster, triangles, backend=backend)

    covered = rasterise(clip, triangles, 5, 6, backend=backend).triangle.unique().tolist()
    assert covered == [-1, 0, 1]
    assert torch.autograd.gradcheck(draw, (clip.requires_grad_(), attributes.requires_grad_()))


@pytest.mark.parametrize("backend", DOUBLE_BACKENDS)
def test_gradients_of_antialias_equal_finite_differences(backend):
    clip = soup(images=1, vertices=12, faces=5, dtype=DOUBLE)[0].requires_grad_()
    triangles = torch.randint(0, 12, (5, 3), generator=torch.Generator().manual_seed(2))
    raster = rasterise(clip.detach(), triangles, 9, 8, backend=backend)
    color = torch.randn(1, 9, 8, 2, generator=torch.Generator().manual_seed(1), dtype=DOUBLE).requires_grad_()

    def blend(color, clip):
        return antialias(color, raster, clip, triangles, backend=backend)

    assert ((blend(color, clip) - color).abs() > 0).sum() > 20
    assert torch.autograd.gradcheck(blend, (color, clip))


@pytest.mark.parametrize("backend", DOUBLE_BACKENDS)
@pytest.mark.parametrize("filter", ["linear", "trilinear"])
@pytest.mark.parametrize("wrap", ["repeat", "clamp"])
def test_gradients_of_texture_equal_finite_differences(backend, filter, wrap):
    keyed = torch.Generator().manual_seed(0)
    texture = torch.rand(2, 5, 4, 2, generator=keyed, dtype=DOUBLE).requires_grad_()
    uv = (torch.rand(2, 3, 4, 2, generator=keyed, dtype=DOUBLE) * 3 - 1).requires_grad_()
    footprint = torch.rand(2, 3, 4, 4, generator=keyed, dtype=DOUBLE) if filter == "trilinear" else None

    def look(texture, uv):
        return sample_texture(texture, uv, footprint, filter, wrap, backend=backend)

    assert torch.autograd.gradcheck(look, (texture, uv))


# Texture


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_linear_ramp_is_reproduced(backend):
    height, width = 6, 9
    ramp = torch.stack(
        torch.meshgrid((torch.arange(height) + 0.5) / height, (torch.arange(width) + 0.5) / width, indexing="ij"), -1
    ).flip(-1)[None]
    keyed = torch.Generator().manual_seed(0)
    uv = torch.rand(2, 8, 8, 2, generator=keyed) * 0.8 + 0.1
    torch.testing.assert_close(sample_texture(ramp, uv, backend=backend), uv)


@pytest.mark.parametrize("backend", BACKENDS)
def test_wrapping_repeats_or_clamps(backend):
    texture = torch.tensor([[0.0, 1.0], [2.0, 3.0]]).reshape(1, 2, 2, 1)
    uv = torch.tensor([[1.25, -0.75], [-0.25, 2.25], [-3.0, 0.25], [9.0, 0.75]]).reshape(1, 1, 4, 2)
    repeated = sample_texture(texture, uv, backend=backend).flatten().tolist()
    clamped = sample_texture(texture, uv, wrap="clamp", backend=backend).flatten().tolist()
    assert repeated == [0.0, 1.0, 0.5, 2.5]
    assert clamped == [1.0, 2.0, 0.0, 3.0]
    nearest = sample_texture(texture, uv + 0.1, filter="nearest", wrap="clamp", backend=backend).flatten().tolist()
    assert nearest == [1.0, 2.0, 0.0, 3.0]


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("filter", ["nearest", "linear", "trilinear"])
@pytest.mark.parametrize("wrap", ["repeat", "clamp"])
def test_textures_equal_the_reference(backend, filter, wrap):
    keyed = torch.Generator().manual_seed(0)
    texture, uv = torch.rand(2, 13, 30, 3, generator=keyed), torch.rand(2, 17, 19, 2, generator=keyed) * 5 - 2
    footprint = torch.exp(4 * torch.rand(2, 17, 19, 4, generator=keyed) - 4) if filter == "trilinear" else None
    upstream = torch.randn(2, 17, 19, 3, generator=keyed)
    results = []
    for name in (backend, "reference"):
        leaves = texture.clone().requires_grad_(), uv.clone().requires_grad_()
        out = sample_texture(*leaves, footprint, filter, wrap, backend=name)
        gradients = torch.autograd.grad(out, leaves, upstream, allow_unused=True)
        results.append([out, *(torch.zeros(1) if one is None else one for one in gradients)])
    if filter == "nearest":
        assert not any(result.pop().any() for result in results)
    for actual, expected in zip(*results, strict=True):
        assert_near(actual, expected, 1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(8, 8), (5, 12), (1, 7)])
def test_the_last_mip_level_is_the_mean(backend, size):
    texture = torch.rand(1, *size, 2, generator=torch.Generator().manual_seed(0))
    uv, whole = torch.rand(1, 2, 2, 2), torch.ones(1, 2, 2, 4) * 3
    seen = sample_texture(texture, uv, whole, "trilinear", backend=backend)
    torch.testing.assert_close(seen, texture.mean(dim=(1, 2)).expand(1, 2, 2, 2))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_level_follows_the_longer_side_of_the_footprint(backend):
    """Stripes of two texels are full at level 1 and grey at level 2: a footprint of 2 sqrt 2 texels sees the middle."""
    stripes = torch.tensor([0.0, 0.0, 1.0, 1.0]).repeat(4).expand(16, 16).reshape(1, 16, 16, 1)
    centre = torch.tensor([3.0 / 16, 0.5]).reshape(1, 1, 1, 2)  # of a bright texel of level 1
    for texels, expected in ((1.0, 1.0), (2.0, 1.0), (2 * math.sqrt(2), 0.75), (4.0, 0.5)):
        for axis in range(4):
            footprint = torch.zeros(1, 1, 1, 4)
            footprint[..., axis] = texels / 16
            seen = sample_texture(stripes, centre, footprint, "trilinear", backend=backend).item()
            assert seen == pytest.approx(expected, abs=1e-5)


# Antialiasing


def edge_coverage(offset: float, slope: float, side: int, backend: str):
    """Antialiased coverage of the part of a 16 x 16 image beside a line, and its gradient in the line's offset."""
    moved = torch.tensor(offset, requires_grad=True)
    triangle = torch.tensor([[[3 * slope, 3, 0, 1], [-3 * slope, -3, 0, 1], [-20.0, 0, 0, 1]]])
    clip = triangle + moved * torch.tensor([[1.0], [1.0], [0.0]]) * torch.tensor([1.0, 0.0, 0.0, 0.0])
    clip = clip * torch.tensor([side, 1, 1, 1])
    faces = torch.tensor([[0, 1, 2]])
    raster = rasterise(clip, faces, 16, 16, backend=backend)
    covered = antialias(raster.covered[..., None].float(), raster, clip, faces, backend=backend)
    return covered.sum(), torch.autograd.grad(covered.sum(), moved)[0]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("slope", [0.0, 0.37, -0.9])
@pytest.mark.parametrize("side", [1, -1])
def test_the_coverage_of_a_moving_edge_is_its_area(backend, slope, side):
    """The line leaves by the top and the bottom of the image, so the area is 16 x 8 (1 + offset) pixels; an upright one
    lies between two pixels at offset 0 and on the centres of pixels at 1 / 16."""
    for offset in (-0.09, -0.0625, -0.031, 0.0, 0.017, 0.0625, 0.09):
        covered, gradient = edge_coverage(offset, slope, side, backend)
        assert covered.item() == pytest.approx(128 * (1 + offset), rel=0.002)
        assert gradient.item() == pytest.approx(128, rel=0.01)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_level_edge_is_blended_downwards(backend):
    clip = quad(-3, 3, -3, 0.1).requires_grad_()
    raster = rasterise(clip, QUAD, 20, 4, backend=backend)
    covered = antialias(raster.covered[..., None].float(), raster, clip, QUAD, backend=backend)
    assert covered.sum().item() == pytest.approx(4 * 11, rel=1e-5)
    (gradient,) = torch.autograd.grad(covered.sum(), clip)
    assert gradient[0, 2:, 1].sum().item() == pytest.approx(40, rel=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_silhouettes_are_blended(backend):
    """The diagonal of the quad lies between two triangles that both face the camera; as a border it would blend."""
    clip = quad(-0.5, 0.5, -0.43, 0.55)
    raster = rasterise(clip, QUAD, 16, 16, backend=backend)
    color = torch.rand(1, 16, 16, 1, generator=torch.Generator().manual_seed(0))
    torn = EdgeTopology(torch.full((2, 3), -1))
    inside = (slice(None), slice(6, 11), slice(5, 11))
    assert torch.equal(antialias(color, raster, clip, QUAD, backend=backend)[inside], color[inside])
    assert not torch.equal(antialias(color, raster, clip, QUAD, torn, backend=backend)[inside], color[inside])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fold_is_a_silhouette_whatever_the_winding(backend):
    """Of two triangles on one edge, one folded back behind the other; a plane behind them shows beside the fold."""
    clip = quad(-0.5, 0.21, -3, 3)
    clip = torch.cat([clip, quad(-3, 3, -3, 3, depth=0.9)], dim=1)
    folded = torch.tensor([[-0.6, 0.3, 0.5, 1.0]])
    clip = torch.cat([clip, folded[None]], dim=1)
    for fold in ([1, 3, 8], [3, 1, 8]):
        triangles = torch.cat([torch.tensor([[0, 1, 3]]), torch.tensor([fold]), QUAD + 4])
        raster = rasterise(clip, triangles, 16, 16, backend=backend)
        color = (raster.triangle < 2)[..., None].float()
        blended = antialias(color, raster, clip, triangles, backend=backend)
        row = blended[0, 12, :, 0]  # the fold crosses at column (0.21 + 1) 8 = 9.68
        assert row[9].item() == pytest.approx(0.68, abs=1e-4) and row[10] == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_nearer_surface_moves_the_silhouette_between_two(backend):
    """A near quad over a far one: the gradient goes to the near quad's edge alone, where colours differ."""
    clip = torch.cat([quad(-0.4, 0.43, -0.5, 0.5, depth=-0.5), quad(-3, 3, -3, 3, depth=0.5)], dim=1).requires_grad_()
    triangles = torch.cat([QUAD, QUAD + 4])
    raster = rasterise(clip, triangles, 20, 20, backend=backend)
    color = (raster.triangle < 2)[..., None].float()
    blended = antialias(color, raster, clip, triangles, backend=backend)
    (gradient,) = torch.autograd.grad(blended.sum(), clip)
    assert gradient[0, 4:].abs().max() == 0
    assert gradient[0, [1, 3], 0].sum() > 50 and gradient[0, [0, 2], 0].sum() < -50


@pytest.mark.parametrize("backend", BACKENDS)
def test_image_gradients_point_along_finite_differences(backend):
    """Of an image loss in all vertices of a tumbled cube, some of whose faces hide others."""
    keyed = torch.Generator().manual_seed(3)
    corners = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]) * 0.55
    rotation, _ = torch.linalg.qr(torch.randn(3, 3, generator=keyed))
    faces = torch.tensor([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    triangles = torch.cat([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    colors = torch.rand(8, 3, generator=keyed)
    target = torch.rand(1, 6, 6, 3, generator=keyed)
    target = torch.nn.functional.interpolate(target.permute(0, 3, 1, 2), size=48, mode="bilinear").permute(0, 2, 3, 1)
    topology = edge_topology(triangles)

    def loss(vertices):
        seen = vertices @ rotation.T
        depth = 3 - seen[:, 2]
        clip = torch.stack([2 * seen[:, 0], 2 * seen[:, 1], depth - 1, depth], dim=-1)[None]
        raster = rasterise(clip, triangles, 48, 48, backend=backend)
        image = interpolate(colors, raster, triangles, backend=backend)
        return (antialias(image, raster, clip, triangles, topology, backend=backend) - target).square().mean()

    vertices = corners.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(vertices), vertices)
    differences, step = torch.zeros(24), 0.02  # about a third of a pixel
    with torch.no_grad():
        for index in range(24):
            shift = torch.zeros(24)
            shift[index] = step
            shift = shift.reshape(8, 3)
            differences[index] = (loss(corners + shift) - loss(corners - shift)) / (2 * step)
    assert torch.cosine_similarity(gradient.flatten(), differences, dim=0) > 0.95
    large = differences.abs() > 0.3 * differences.abs().max()
    assert torch.equal(gradient.flatten()[large].sign(), differences[large].sign())


@pytest.mark.parametrize("backend", BACKENDS)
def test_triangles_smaller_than_pixels_keep_the_gradient(backend):
    """Of moving and of growing a sphere whose silhouette runs along triangles that hold no pixel centre."""
    clip, triangles, _ = sphere(60, 100)
    keyed = torch.Generator().manual_seed(0)
    target = torch.rand(2, 1, 4, 4, generator=keyed)
    target = torch.nn.functional.interpolate(target, size=36, mode="bicubic").permute(0, 2, 3, 1)
    topology = edge_topology(triangles)
    assert len(triangles) > 2 * 36**2
    across = torch.tensor([1.0, 1.0, 0.0, 0.0])
    ways = [torch.eye(4)[0].expand_as(clip), torch.eye(4)[1].expand_as(clip), clip * across]

    def loss(clip):
        raster = rasterise(clip, triangles, 36, 36, backend=backend)
        covered = raster.covered[..., None].float()
        return (antialias(covered, raster, clip, triangles, topology, backend=backend) * target).sum()

    moved = clip.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(moved), moved)
    analytic = torch.stack([(gradient * way).sum() for way in ways])
    step = 0.05  # about half a pixel
    measured = torch.stack([(loss(clip + step * way) - loss(clip - step * way)) / (2 * step) for way in ways])
    assert torch.cosine_similarity(analytic, measured, dim=0) > 0.98
    assert 0.85 < analytic.norm() / measured.norm() < 1.15


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_vertex_is_fitted_to_a_silhouette(backend):
    triangles = torch.tensor([[0, 1, 2]])
    topology = edge_topology(triangles)
    goal = torch.tensor([[-0.7, -0.6], [0.6, -0.5], [0.13, 0.72]])

    def mask(positions):
        clip = torch.nn.functional.pad(positions, (0, 1)).unsqueeze(0)
        clip = torch.nn.functional.pad(clip, (0, 1), value=1.0)
        raster = rasterise(clip, triangles, 32, 32, backend=backend)
        return antialias(raster.covered[..., None].float(), raster, clip, triangles, topology, backend=backend)

    target = mask(goal)
    positions = (goal + torch.tensor([[0.1, -0.15], [-0.2, 0.1], [0.25, -0.3]])).requires_grad_()
    optimiser = torch.optim.Adam([positions], lr=0.02, betas=(0.8, 0.9))
    for step in range(100):
        optimiser.param_groups[0]["lr"] = 0.02 if step < 60 else 0.004
        optimiser.zero_grad()
        (mask(positions) - target).square().sum().backward()
        optimiser.step()
    assert (positions - goal).abs().max() < 0.016  # a quarter of a pixel


@pytest.mark.parametrize("backend", BACKENDS)
def test_colours_are_conserved_in_the_gradient(backend):
    """Blending moves weight from one pixel to another: the gradient of the sum over an image is one per pixel."""
    clip, triangles, _ = sphere()
    raster = rasterise(clip, triangles, 40, 40, backend=backend)
    color = torch.rand(2, 40, 40, 1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    blended = antialias(color, raster, clip, triangles, backend=backend)
    assert not torch.equal(blended, color)
    upstream = torch.randn(2, 40, 40, 1, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(blended, color, upstream)
    assert gradient.sum().item() == pytest.approx(upstream.sum().item(), abs=1e-3)


def test_topology_pairs_the_faces_of_a_closed_mesh_and_opens_at_borders():
    tetrahedron = torch.tensor([[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    across = edge_topology(tetrahedron).across
    expected = torch.tensor([[3, 3, 3], [2, 2, 2], [0, 0, 0], [1, 1, 1]])
    assert torch.equal(tetrahedron.flatten()[across], expected)
    assert torch.equal(across.flatten()[across.flatten()], torch.arange(12))
    flap = torch.cat([tetrahedron, torch.tensor([[0, 1, 4], [4, 4, 0]])])
    with_flap = edge_topology(flap).across
    assert (with_flap[0] >= 0).tolist() == [True, True, False] and (with_flap[4:] == -1).all()
    assert edge_topology(tetrahedron[:0]).across.shape == (0, 3)


# Errors and examples


def drawn() -> tuple[torch.Tensor, Raster]:
    clip = quad(-0.5, 0.5, -0.5, 0.5)
    return clip, rasterise(clip, QUAD, 4, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clip": torch.zeros(4, 4)}, r"clip is \[B, V, 4\]"),
        ({"clip": torch.zeros(1, 4, 4, dtype=torch.int32)}, "clip is float32 or float64"),
        ({"triangles": QUAD.float()}, "int32 or int64"),
        ({"triangles": QUAD + 1}, "vertices 1 to 4, but there are 4"),
        ({"height": 0}, "at least one pixel, not 0 x 4"),
    ],
)
def test_wrong_inputs_of_rasterise_are_named(change, message):
    arguments = {"clip": quad(-1, 1, -1, 1), "triangles": QUAD, "height": 4, "width": 4, **change}
    with pytest.raises(ValueError, match=message):
        rasterise(**arguments)


def test_wrong_inputs_of_interpolate_and_antialias_are_named():
    clip, raster = drawn()
    with pytest.raises(ValueError, match=r"attributes are \[V, C\] or \[1, V, C\], not \[3, 4, 2\]"):
        interpolate(torch.zeros(3, 4, 2), raster, QUAD)
    with pytest.raises(ValueError, match=r"attributes are torch\.float64 and the raster"):
        interpolate(torch.zeros(4, 2, dtype=DOUBLE), raster, QUAD)
    with pytest.raises(ValueError, match="shows triangle 1, but there are 1"):
        interpolate(torch.zeros(4, 2), raster, QUAD[:1])
    with pytest.raises(ValueError, match="derivatives=True"):
        interpolate_derivatives(torch.zeros(4, 2), raster, QUAD)
    with pytest.raises(ValueError, match=r"color is \[1, 4, 4, C\]"):
        antialias(torch.zeros(1, 4, 5, 3), raster, clip, QUAD)
    with pytest.raises(ValueError, match="build it with edge_topology"):
        antialias(torch.zeros(1, 4, 4, 3), raster, clip, QUAD, edge_topology(QUAD[:1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"uv": torch.zeros(1, 4, 4, 3)}, r"uv is \[B, H, W, 2\]"),
        ({"texture": torch.zeros(3, 4, 4, 1)}, r"texture is \[1 or 1, Ht, Wt, C\]"),
        ({"texture": torch.zeros(1, 4, 4, 1, dtype=DOUBLE)}, "one dtype and device"),
        ({"filter": "cubic"}, "not 'cubic'"),
        ({"wrap": "mirror"}, "not 'mirror'"),
        ({"filter": "trilinear"}, "uv_derivatives go with filter='trilinear'"),
        ({"uv_derivatives": torch.zeros(1, 4, 4, 4)}, "and no other, not with 'linear'"),
    ],
)
def test_wrong_inputs_of_textures_are_named(change, message):
    arguments = {"texture": torch.zeros(1, 4, 4, 1), "uv": torch.zeros(1, 4, 4, 2), **change}
    with pytest.raises(ValueError, match=message):
        sample_texture(**arguments)
