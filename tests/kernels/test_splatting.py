"""Splatting: closed forms, conventions, degenerate clouds, and every backend against the reference."""

from __future__ import annotations

import dataclasses
import importlib
import math

import pytest
import torch
from interpreted import TRITON, amount
from torch import Tensor

from maquette.cameras.base import look_at, orbit_cameras
from maquette.kernels.splatting import ScreenStatistics, project, spherical_harmonics, splat

FAST_BACKENDS = ["numba", TRITON]
BACKENDS = ["reference", *FAST_BACKENDS]
MODES = ["3d", "2d"]


def camera(
    distance: float = 2.5, azimuth_deg: float = 30.0, elevation_deg: float = 20.0, dtype=torch.float32
) -> Tensor:
    one = torch.ones(1)
    return orbit_cameras(azimuth_deg * one, elevation_deg * one, distance * one, 50 * one, 8).c2w[0].to(dtype)


def cloud(count: int = 300, size: float = 0.05, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Tensor]:
    """Means in a ball around the origin, quaternions, scales, opacities, colours."""
    keyed = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=keyed, dtype=dtype)

    scales = size * (0.7 * normal(count, 3)).exp()
    return [0.4 * normal(count, 3), normal(count, 4), scales, normal(count).sigmoid(), normal(count, 3)]


def mixed_cloud(count: int = 400) -> list[Tensor]:
    """The same with Gaussians behind the camera, over all of the picture, opaque, unseen, needles, and wide ones whose
    means lie so far beside the picture that the slope of the projection is held."""
    means, quaternions, scales, opacities, values = cloud(count)
    means[:20] *= 10
    scales[20:24] = 2.0
    opacities[24:60], opacities[60:70], opacities[70:80] = 1.0, 0.0, 0.003
    scales[80:100] *= torch.tensor([8.0, 0.01, 1.0])
    beside = torch.tensor([[1.6, 0.1, -2.0], [-1.6, 0.2, -2.0], [0.1, 1.4, -2.0], [0.2, -1.4, -2.0]])
    means[100:104], scales[100:104] = beside @ camera()[:3, :3].T + camera()[:3, 3], 0.6 * (1 + scales[100:104])
    return [means, quaternions, scales, opacities, values]


def upright(means: Tensor) -> Tensor:
    return torch.tensor([1.0, 0.0, 0.0, 0.0]).to(means).expand(len(means), 4)


def on_axis(depths: list[float], size: float = 0.1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Round Gaussians in front of the middle of the picture: means, quaternions, scales, camera-to-world."""
    means = torch.tensor([[0.0, 0.0, -depth] for depth in depths])
    return means, upright(means), torch.full_like(means, size), torch.eye(4)


WIDE, SMALL = (50.0, 40, 52), (24.0, 19, 25)
"""Focal length, height and width of pictures of 3 x 4 and of 2 x 2 tiles."""


def draw(gaussians: list[Tensor], backend: str, c2w: Tensor | None = None, mode: str = "3d", picture=WIDE):
    """A picture; normals of disks are further values."""
    means, quaternions, scales, opacities, values = gaussians
    c2w = camera(dtype=means.dtype) if c2w is None else c2w
    view = project(means, quaternions, scales, c2w, *picture, mode=mode, backend=backend)
    values = values if view.normals is None else torch.cat([values, view.normals], dim=-1)
    return view, splat(view, opacities * view.compensation, values, backend=backend)


def drawn_with_gradients(
    gaussians: list[Tensor], backend: str, mode: str = "3d", picture=SMALL
) -> tuple[list[Tensor], list[Tensor]]:
    """Projection and picture; gradients of the five inputs and of the screen means."""
    leaves = [tensor.clone().requires_grad_() for tensor in gaussians]
    view, drawn = draw(leaves, backend, mode=mode, picture=picture)
    view.means.retain_grad()
    keyed = torch.Generator().manual_seed(1)
    rows = [drawn.values, drawn.opacity, drawn.depth]
    sum((row * torch.randn(row.shape, generator=keyed, dtype=row.dtype)).sum() for row in rows).backward()
    fields = [getattr(view, field.name) for field in dataclasses.fields(view)]
    fields = [field for field in fields if isinstance(field, Tensor)]
    return [row.detach() for row in fields + rows], [leaf.grad for leaf in leaves] + [view.means.grad]


# --- conventions and closed forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_on_the_ray_of_a_pixel_lands_on_its_centre(backend):
    one = torch.ones(1)
    cameras = orbit_cameras(130 * one, 25 * one, 3 * one, 50 * one, 16)
    origins, directions = cameras.rays()
    means = (origins + 2.5 * directions)[0].reshape(-1, 3)
    focal = 8 / math.tan(math.radians(25))
    view = project(means, upright(means), torch.full_like(means, 0.01), cameras.c2w[0], focal, 16, 16, backend=backend)
    centres = torch.arange(16) + 0.5
    expected = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1).reshape(-1, 2)
    torch.testing.assert_close(view.means, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_footprint_is_the_linearised_projection_of_the_covariance(backend):
    means, quaternions, scales, *_ = cloud(20)
    c2w, focal, height, width = camera(), 50.0, 40, 52
    view = project(means, quaternions, scales, c2w, focal, height, width, backend=backend)
    w2c = torch.linalg.inv(c2w)

    def to_pixels(point: Tensor) -> Tensor:
        x, y, z = w2c[:3, :3] @ point + w2c[:3, 3]
        return torch.stack([focal * x / -z + width / 2, -focal * y / -z + height / 2])

    assert view.visible.all()
    for i in range(len(means)):
        turned = torch.stack([rotate(quaternions[i], axis) for axis in torch.eye(3)], dim=-1)
        covariance = turned @ scales[i].square().diag() @ turned.T
        slope = torch.autograd.functional.jacobian(to_pixels, means[i])
        a, b, c = torch.linalg.inv(slope @ covariance @ slope.T + 0.3 * torch.eye(2)).flatten()[[0, 1, 3]]
        torch.testing.assert_close(view.conics[i], torch.stack([a, b, c]), rtol=1e-3, atol=1e-5)


def rotate(quaternion: Tensor, vector: Tensor) -> Tensor:
    """v + 2 w (q x v) + 2 q x (q x v)."""
    w, q = (quaternion / quaternion.norm())[0], (quaternion / quaternion.norm())[1:]
    across = torch.linalg.cross(q, vector)
    return vector + 2 * w * across + 2 * torch.linalg.cross(q, across)


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_round_gaussian_is_a_round_gaussian_picture(backend):
    depth, size, opacity, focal = 4.0, 0.2, 0.8, 60.0
    means, quaternions, scales, c2w = on_axis([depth], size)
    view = project(means, quaternions, scales, c2w, focal, 33, 37, backend=backend)
    picture = splat(view, torch.tensor([opacity]), torch.tensor([[2.0, -1.0]]), backend=backend)
    v, u = torch.meshgrid(torch.arange(33) + 0.5 - 16.5, torch.arange(37) + 0.5 - 18.5, indexing="ij")
    variance = (focal * size / depth) ** 2 + 0.3
    expected = opacity * torch.exp(-(u * u + v * v) / (2 * variance))
    expected = torch.where(expected >= 1 / 255, expected, 0.0)
    torch.testing.assert_close(picture.opacity, expected, rtol=0, atol=2e-6)
    torch.testing.assert_close(picture.values, expected[..., None] * torch.tensor([2.0, -1.0]), rtol=0, atol=4e-6)
    torch.testing.assert_close(picture.depth, torch.where(expected > 0, depth, 0.0))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("depths", [[2.0, 3.0], [3.0, 2.0]])
def test_the_nearer_gaussian_covers_the_farther_one(backend, depths):
    view = project(*on_axis(depths), 40.0, 9, 9, backend=backend)
    picture = splat(view, torch.tensor([0.5, 0.5]), torch.tensor(depths)[:, None], backend=backend)
    assert picture.opacity[4, 4].item() == pytest.approx(0.75, abs=1e-5)
    assert picture.values[4, 4].item() == pytest.approx(0.5 * 2 + 0.25 * 3, abs=1e-5)
    assert picture.depth[4, 4].item() == pytest.approx((0.5 * 2 + 0.25 * 3) / 0.75, abs=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_equal_depths_are_drawn_in_the_order_of_the_gaussians(backend):
    count = 40
    view = project(*on_axis([2.0] * count), 40.0, 9, 9, backend=backend)
    picture = splat(view, torch.full((count,), 0.1), torch.eye(count), backend=backend)
    expected = 0.1 * 0.9 ** torch.arange(count)
    torch.testing.assert_close(picture.values[4, 4], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pixel_ends_before_the_gaussian_that_would_leave_too_little(backend):
    view = project(*on_axis([2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 0.3), 40.0, 9, 9, backend=backend)
    opacities = torch.tensor([0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.1])  # the last one would leave enough, and comes too late
    picture = splat(view, opacities, torch.eye(7), backend=backend)
    contributed = picture.values[4, 4] > 0
    assert contributed.tolist() == [True] * 5 + [False] * 2
    assert picture.opacity[4, 4].item() == pytest.approx(1 - 0.2**5, abs=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_opaque_gaussian_lets_one_percent_through(backend):
    view = project(*on_axis([2.0]), 40.0, 9, 9, backend=backend)
    assert splat(view, torch.ones(1), torch.ones(1, 1), backend=backend).opacity[4, 4].item() == pytest.approx(0.99)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_clamped_alpha_has_no_gradient(backend):
    opacities = torch.ones(1, requires_grad=True)
    view = project(*on_axis([2.0]), 40.0, 9, 9, backend=backend)
    opacity = splat(view, opacities, torch.ones(1, 1), backend=backend).opacity
    (clamped,) = torch.autograd.grad(opacity[4, 4], opacities, retain_graph=True)
    (beside,) = torch.autograd.grad(opacity[4, 5], opacities)
    assert clamped.item() == 0
    assert beside.item() == pytest.approx(math.exp(-1 / (2 * (2**2 + 0.3))), rel=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", MODES)
def test_turning_the_cloud_and_the_camera_together_changes_nothing(backend, mode):
    gaussians, picture = cloud(60), SMALL if backend == "triton" else WIDE
    turn = torch.tensor([0.3, -0.5, 0.7, 0.4])
    matrix = torch.eye(4)
    matrix[:3, :3] = torch.stack([rotate(turn, axis) for axis in torch.eye(3)], dim=-1)
    turned = [gaussians[0] @ matrix[:3, :3].T, times(turn, gaussians[1]), *gaussians[2:]]
    before = draw(gaussians, backend, mode=mode, picture=picture)[1].values[..., :3]
    after = draw(turned, backend, matrix @ camera(), mode, picture)[1].values[..., :3]
    assert before.abs().max() > 0.5
    torch.testing.assert_close(before, after, rtol=0, atol=2e-4)


def times(first: Tensor, second: Tensor) -> Tensor:
    """Quaternion products of one quaternion with many."""
    w, x, y, z = first
    rows = [[w, -x, -y, -z], [x, w, -z, y], [y, z, w, -x], [z, -y, x, w]]
    return second @ torch.tensor(rows).T


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size_px", [0.2, 0.5])
def test_compensation_keeps_the_light_of_a_gaussian_smaller_than_a_pixel(backend, size_px):
    focal, depth = 40.0, 2.0
    means, quaternions, scales, c2w = on_axis([depth], size_px * depth / focal)
    view = project(means, quaternions, scales, c2w, focal, 15, 15, backend=backend)
    light = splat(view, view.compensation, torch.ones(1, 1), backend=backend).opacity.sum().item()
    assert light == pytest.approx(2 * math.pi * size_px**2, rel=0.06)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_cannot_be_seen_is_marked_invisible(backend):
    means = torch.tensor([[0.0, 0, -2], [0, 0, 2], [0, 0, -0.005], [50, 0, -2], [0, -50, -2], [0, 0, -2]])
    scales = torch.full_like(means, 0.1)
    scales[5] = 1e30
    view = project(means, upright(means), scales, torch.eye(4), 40.0, 9, 9, backend=backend)
    assert view.visible.tolist() == [True, False, False, False, False, False]
    assert not any(getattr(view, name)[1:].any() for name in ("means", "depths", "conics", "compensation", "radii"))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_radius_is_three_standard_deviations_of_the_long_axis(backend):
    means, quaternions, scales, c2w = on_axis([2.0])
    quaternions = torch.tensor([[math.cos(0.3), 0.0, 0.0, math.sin(0.3)]])
    scales = torch.tensor([[0.5, 0.1, 0.1]])
    view = project(means, quaternions, scales, c2w, 40.0, 64, 64, backend=backend)
    assert view.radii.item() == math.ceil(3 * math.sqrt((40 * 0.5 / 2) ** 2 + 0.3))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_disk_is_seen_where_the_ray_of_the_pixel_meets_it(backend):
    one = torch.ones(1)
    cameras = orbit_cameras(30 * one, 20 * one, 2.5 * one, 50 * one, 32)
    origins, directions = (rays[0].reshape(-1, 3) for rays in cameras.rays())
    mean, turn, scales = torch.tensor([0.1, -0.2, 0.05]), torch.tensor([0.3, 0.8, -0.4, 0.2]), torch.tensor([0.5, 0.3])
    tangent_a, tangent_b, normal = (rotate(turn, axis) for axis in torch.eye(3))
    distance = ((mean - origins) @ normal) / (directions @ normal)
    met = origins + distance[:, None] * directions - mean
    squared = (met @ tangent_a / scales[0]).square() + (met @ tangent_b / scales[1]).square()
    alpha = torch.where(squared < 9, 0.8 * torch.exp(-squared / 2), 0.0)
    depth = distance * (directions @ -cameras.c2w[0, :3, 2])

    both = torch.cat([scales, torch.ones(1)])[None]
    focal = 16 / math.tan(math.radians(25))
    view = project(mean[None], turn[None], both, cameras.c2w[0], focal, 32, 32, mode="2d", backend=backend)
    picture = splat(view, torch.tensor([0.8]), view.normals, backend=backend)
    near = (squared < 9) & (squared > 0.05)  # at the middle the low-pass may be above the disk
    assert near.sum() > 100
    torch.testing.assert_close(picture.opacity.flatten()[near], alpha[near], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(picture.depth.flatten()[near], depth[near], rtol=1e-4, atol=1e-5)
    assert (view.normals[0] @ (cameras.c2w[0, :3, 3] - mean)) > 0
    torch.testing.assert_close(view.normals[0].abs(), normal.abs())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_disk_seen_from_its_edge_is_a_line_as_wide_as_the_low_pass(backend):
    means, _, _, c2w = on_axis([2.0])
    quarter = torch.tensor([[math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0]])  # about x: the normal points up
    view = project(means, quarter, torch.tensor([[0.2, 0.2, 1.0]]), c2w, 40.0, 9, 9, mode="2d", backend=backend)
    opacity = splat(view, torch.tensor([0.8]), torch.zeros(1, 0), backend=backend).opacity
    across = 0.8 * torch.exp(-(torch.arange(9) - 4.0).square())
    torch.testing.assert_close(opacity[:, 4], torch.where(across >= 1 / 255, across, 0.0))


# --- backends against the reference -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["plain", "mixed", "many"])
def test_values_and_gradients_equal_the_reference(backend, mode, kind):
    counts = {"plain": amount(backend, 300, 60), "mixed": amount(backend, 400, 110), "many": amount(backend, 2000, 200)}
    gaussians = mixed_cloud(counts[kind]) if kind == "mixed" else cloud(counts[kind], 0.02 if kind == "many" else 0.05)
    picture = SMALL if backend == "triton" else WIDE
    actual = drawn_with_gradients(gaussians, backend, mode, picture)
    expected = drawn_with_gradients(gaussians, "reference", mode, picture)
    for value, reference in zip(actual[0], expected[0], strict=True):
        torch.testing.assert_close(value, reference, rtol=1e-4, atol=1e-4)
    for gradient, reference in zip(actual[1], expected[1], strict=True):
        assert reference.norm() > 0
        assert (gradient - reference).norm() <= 1e-3 * reference.norm()


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("mode", MODES)
def test_the_layout_of_the_tensors_in_memory_does_not_matter(backend, mode):
    gaussians = cloud(30)
    transposed = [tensor.t().contiguous().t() for tensor in gaussians]
    assert not transposed[0].is_contiguous()
    dense, strided = (drawn_with_gradients(each, backend, mode) for each in (gaussians, transposed))
    for expected, actual in zip(dense[0] + dense[1], strided[0] + strided[1], strict=True):
        torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_the_gradient_of_each_projected_row_equals_the_reference(backend):
    gaussians = mixed_cloud()[:3]

    def gradients(name: str, backend: str) -> list[Tensor]:
        leaves = [tensor.clone().requires_grad_() for tensor in gaussians]
        row = getattr(project(*leaves, camera(), 50.0, 40, 52, backend=backend), name)
        keyed = torch.Generator().manual_seed(2)
        found = torch.autograd.grad(row, leaves, torch.randn(row.shape, generator=keyed), allow_unused=True)
        return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]

    for name in ("means", "depths", "conics", "compensation"):
        for actual, expected in zip(gradients(name, backend), gradients(name, "reference"), strict=True):
            assert (actual - expected).norm() <= 1e-4 * expected.norm()


@pytest.mark.parametrize("backend", ["numba"])
@pytest.mark.parametrize("mode", MODES)
def test_work_split_in_any_way_has_the_same_bits(backend, mode, monkeypatch):
    module = importlib.import_module(f"maquette.kernels.splatting.{backend}_cpu")
    gaussians, runs = mixed_cloud(), []
    threads = torch.get_num_threads()
    for workers in (1, 2, 5):
        monkeypatch.setattr(module, "threads", lambda workers=workers: workers)
        torch.set_num_threads(min(workers, 2))
        values, gradients = drawn_with_gradients(gaussians, backend, mode, WIDE)
        runs.append(values + gradients)
    torch.set_num_threads(threads)
    for run in runs[1:]:
        assert all(torch.equal(first, other) for first, other in zip(runs[0], run, strict=True))


def test_auto_takes_the_reference_for_float64_and_numba_refuses_it():
    gaussians = cloud(5, dtype=torch.float64)
    assert draw(gaussians, "auto")[1].values.dtype == torch.float64
    with pytest.raises(ValueError, match="takes float32"):
        draw(gaussians, "numba")


# --- derivatives ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_the_projection_equal_finite_differences(mode):
    means, quaternions, scales, *_ = cloud(4, 0.2, torch.float64)

    def rows(*gaussians: Tensor) -> tuple[Tensor, ...]:
        view = project(*gaussians, camera(dtype=torch.float64), 12.0, 8, 9, mode=mode)
        assert view.visible.all()
        shape = (view.conics, view.compensation) if mode == "3d" else (view.transforms, view.normals)
        return view.means, view.depths, *shape

    assert torch.autograd.gradcheck(rows, tuple(tensor.requires_grad_() for tensor in (means, quaternions, scales)))


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_of_the_picture_equal_finite_differences(mode):
    means, quaternions, scales, opacities, values = cloud(6, 0.3, torch.float64, seed=3)
    inputs = [tensor.requires_grad_() for tensor in (means, quaternions, scales, 0.9 * opacities, values)]
    inputs[3] = inputs[3].detach().requires_grad_()

    def picture(means, quaternions, scales, opacities, values) -> tuple[Tensor, ...]:
        view = project(means, quaternions, scales, camera(dtype=torch.float64), 12.0, 6, 7, mode=mode)
        drawn = splat(view, opacities * view.compensation, values)
        return drawn.values, drawn.opacity, drawn.depth

    assert picture(*inputs)[1].min() > 0  # no pixel is empty: nothing is near the cut by being faint
    assert torch.autograd.gradcheck(picture, tuple(inputs), eps=1e-7, atol=1e-4)


@pytest.mark.parametrize("mode", MODES)
def test_the_screen_gradient_is_that_of_a_shift_of_the_footprint(mode):
    gaussians = [tensor.requires_grad_() for tensor in cloud(3, 0.3, torch.float64)]
    view, picture = draw(gaussians, "reference", mode=mode)
    view.means.retain_grad()
    weights = torch.linspace(-1, 1, picture.opacity.numel(), dtype=torch.float64).reshape(picture.opacity.shape)
    (picture.opacity * weights).sum().backward()

    def loss(shift: Tensor) -> float:
        moved = dataclasses.replace(view, means=view.means + shift)
        return (splat(moved, gaussians[3] * view.compensation, gaussians[4]).opacity * weights).sum().item()

    for axis, shift in enumerate(1e-6 * torch.eye(2, dtype=torch.float64)):
        expected = (loss(shift) - loss(-shift)) / 2e-6
        assert view.means.grad[:, axis].sum().item() == pytest.approx(expected, rel=1e-5)


# --- degenerate clouds ------------------------------------------------------------------------------------------------


def degenerate_clouds() -> dict[str, list[Tensor]]:
    plain = cloud(30)
    behind = plain[0] + 10 * camera()[:3, 2]
    at_the_camera = camera()[:3, 3].expand(30, 3)
    no_scale, huge, endless = torch.full((30, 3), 1e-30), torch.full((30, 3), 1e3), torch.full((30, 3), 1e30)
    flat = plain[2] * torch.tensor([1.0, 1.0, 0.0])
    clear, opaque = torch.zeros(30), torch.ones(30)
    return {
        "none": [tensor[:0] for tensor in plain],
        "all behind": [behind, *plain[1:]],
        "at the camera": [at_the_camera, *plain[1:]],
        "no rotation": [plain[0], torch.zeros(30, 4), *plain[2:]],
        "no scale": [*plain[:2], no_scale, *plain[3:]],
        "flat": [*plain[:2], flat, *plain[3:]],
        "huge": [*plain[:2], huge, *plain[3:]],
        "endless": [*plain[:2], endless, *plain[3:]],
        "transparent": [*plain[:3], clear, plain[4]],
        "opaque": [*plain[:3], opaque, plain[4]],
        "at one place": [torch.zeros(30, 3), *plain[1:]],
        "without values": [*plain[:4], plain[4][:, :0]],
    }


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", degenerate_clouds())
def test_degenerate_clouds_have_finite_pictures_and_gradients(backend, mode, name):
    values, gradients = drawn_with_gradients(degenerate_clouds()[name], backend, mode)
    assert all(row.isfinite().all() for row in values + gradients)
    if name in ("none", "all behind", "at the camera", "endless", "transparent"):
        assert values[-2].abs().max() == 0
    else:
        assert name == "no scale" or values[-2].max() > 0.3


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("mode", MODES)
def test_one_overflowing_gaussian_leaves_the_gradients_of_the_others(backend, mode):
    gaussians = cloud(30)
    spoilt = [torch.cat([tensor, tensor[:1]]) for tensor in gaussians]
    spoilt[2][-1] = torch.inf
    alone, beside = drawn_with_gradients(gaussians, backend, mode), drawn_with_gradients(spoilt, backend, mode)
    for expected, actual in zip(alone[1], beside[1], strict=True):
        torch.testing.assert_close(actual[:-1], expected)
        assert not actual[-1].any()


# --- harmonics --------------------------------------------------------------------------------------------------------


def test_degree_zero_is_the_same_from_everywhere():
    directions = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    values = spherical_harmonics(directions, torch.full((50, 16, 3), math.sqrt(4 * math.pi)), 0)
    torch.testing.assert_close(values, torch.ones(50, 3))


def test_harmonics_are_orthonormal():
    heights, weights = torch.tensor(gauss_legendre(8), dtype=torch.float64)
    turns = torch.arange(16, dtype=torch.float64) * (2 * math.pi / 16)
    z, turn = torch.meshgrid(heights, turns, indexing="ij")
    around = (1 - z * z).sqrt()
    directions = torch.stack([around * turn.cos(), around * turn.sin(), z], dim=-1).reshape(-1, 3)
    area = (weights[:, None] * (2 * math.pi / 16)).expand_as(z).reshape(-1)
    basis = spherical_harmonics(directions, torch.eye(16, dtype=torch.float64).expand(len(directions), 16, 16), 3)
    torch.testing.assert_close(basis.T @ (area[:, None] * basis), torch.eye(16, dtype=torch.float64))


def gauss_legendre(order: int) -> list[list[float]]:
    """Nodes and weights on [-1, 1] from the eigenvalues of the Jacobi matrix (Golub and Welsch 1969)."""
    k = torch.arange(1, order, dtype=torch.float64)
    beside = k / (4 * k * k - 1).sqrt()
    nodes, vectors = torch.linalg.eigh(torch.diag(beside, 1) + torch.diag(beside, -1))
    return [nodes.tolist(), (2 * vectors[0].square()).tolist()]


def test_harmonics_have_the_signs_of_3dgs_files():
    directions = torch.eye(3)
    coefficients = torch.eye(4).expand(3, 4, 4)
    first_degree = spherical_harmonics(directions, coefficients, 1)[:, 1:]
    c = math.sqrt(3 / (4 * math.pi))
    torch.testing.assert_close(first_degree, torch.tensor([[0.0, 0, -c], [-c, 0, 0], [0, c, 0]]))


def test_derivatives_of_harmonics_equal_finite_differences():
    keyed = torch.Generator().manual_seed(0)
    directions = torch.randn(5, 3, generator=keyed, dtype=torch.float64).requires_grad_()
    coefficients = torch.randn(5, 16, 2, generator=keyed, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda d, c: spherical_harmonics(d, c, 3), (directions, coefficients))


# --- densification ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_statistics_gather_gradients_visits_and_radii(backend):
    gaussians = [tensor.requires_grad_() for tensor in cloud(20)]
    statistics, views = ScreenStatistics.zeros(20), []
    eyes = torch.tensor([[2.5, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for c2w in look_at(eyes, torch.zeros(2, 3), torch.tensor([[0.0, 0.0, 1.0]]).expand(2, 3)):
        view, picture = draw(gaussians, backend, c2w, picture=SMALL)
        view.means.retain_grad()
        picture.values.square().sum().backward()
        statistics = statistics.add(view)
        views.append(view)
    first, second = views
    assert not second.visible.all()
    assert torch.equal(statistics.view_count, first.visible.long() + second.visible.long())
    assert torch.equal(statistics.radius, torch.maximum(first.radii, second.radii))
    expected = (first.means.grad.norm(dim=-1) + second.means.grad.norm(dim=-1)) / statistics.view_count.clamp(min=1)
    torch.testing.assert_close(statistics.mean_gradient, expected)


def test_statistics_say_what_is_missing():
    view, _ = draw(cloud(20), "reference")
    with pytest.raises(ValueError, match="retain_grad"):
        ScreenStatistics.zeros(20).add(view)
    with pytest.raises(ValueError, match="20 Gaussians, and not of 3"):
        ScreenStatistics.zeros(3).add(view)


# --- refusals and examples --------------------------------------------------------------------------------------------


def test_wrong_arguments_of_project_are_refused():
    means, quaternions, scales, *_ = cloud(5)
    c2w = camera()
    mirrored, widened = c2w @ torch.diag(torch.tensor([-1.0, 1, 1, 1])), c2w @ torch.diag(torch.tensor([2.0, 2, 2, 1]))
    for match, arguments in {
        "scales": (means, quaternions, scales[:4], c2w, 50.0, 8, 8),
        "quaternions \\[n, 4\\]": (means, quaternions[:, :3], scales, c2w, 50.0, 8, 8),
        "means \\[n, 3\\]": (means[:, :2], quaternions, scales, c2w, 50.0, 8, 8),
        "one at a time": (means, quaternions, scales, c2w[None], 50.0, 8, 8),
        "c2w is torch.float64": (means, quaternions, scales, c2w.double(), 50.0, 8, 8),
        "focal is -1": (means, quaternions, scales, c2w, -1.0, 8, 8),
        "height is 0": (means, quaternions, scales, c2w, 50.0, 0, 8),
        "mode is '4d'": (means, quaternions, scales, c2w, 50.0, 8, 8, "4d"),
        "float32 or float64": (means.half(), quaternions, scales, c2w, 50.0, 8, 8),
    }.items():
        with pytest.raises(ValueError, match=match):
            project(*arguments[:7], mode=(*arguments, "3d")[7])
    for bent in (mirrored, widened):
        with pytest.raises(ValueError, match="orthonormal"):
            project(means, quaternions, scales, bent, 50.0, 8, 8)


def test_wrong_arguments_of_splat_are_refused():
    means, quaternions, scales, opacities, values = cloud(5)
    view = project(means, quaternions, scales, camera(), 50.0, 8, 8)
    for match, arguments in {
        "opacities \\[5\\]": (opacities[:, None], values),
        "values \\[5, channels\\]": (opacities, values[:4]),
        "values is torch.float64": (opacities, values.double()),
        "between 0 and 1": (opacities + 1, values),
    }.items():
        with pytest.raises(ValueError, match=match):
            splat(view, *arguments)


@pytest.mark.parametrize("degree, k, match", [(4, 25, "degree is 4"), (2, 4, "at least 9"), (-1, 1, "degree is -1")])
def test_wrong_arguments_of_harmonics_are_refused(degree, k, match):
    with pytest.raises(ValueError, match=match):
        spherical_harmonics(torch.randn(2, 3), torch.zeros(2, k, 3), degree)
