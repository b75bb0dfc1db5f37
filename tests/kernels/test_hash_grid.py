"""The hash grid: every backend equals the reference in values and derivatives; the reference equals its definition."""

from __future__ import annotations

import pytest
import torch
from interpreted import TRITON, amount, needs_triton

from maquette.kernels.hash_grid import HashGridSpec, hash_grid

FAST_BACKENDS = ["numba", TRITON]
BACKENDS = ["reference", *FAST_BACKENDS]
COMPILED_ANEW = pytest.mark.slow  # numba's kernels for float64, and for dimensions that only tests use
BACKENDS_ANEW = [pytest.param("numba", marks=COMPILED_ANEW), TRITON]

# Two dense and two hashed levels; features are few, so that float64 gradchecks stay short.
SPEC = HashGridSpec(levels=4, features_per_level=2, log2_table_size=10, base_resolution=4, finest_resolution=40)


def random_inputs(spec: HashGridSpec = SPEC, n: int = 300, dtype: torch.dtype = torch.float32):
    keyed = torch.Generator().manual_seed(0)
    points = torch.rand(n, spec.dimensions, generator=keyed, dtype=dtype)
    table = torch.randn(spec.rows, spec.features_per_level, generator=keyed, dtype=dtype)
    upstream = torch.randn(n, spec.channels, generator=keyed, dtype=dtype)
    return points, table, upstream


def degenerate_points() -> torch.Tensor:
    return torch.tensor(
        [
            [0.0, 0.0, 0.0],
            [1.0, 1.0, 1.0],
            [1.0, 0.5, 0.0],
            [0.25, 0.5, 0.75],
            [-0.3, 0.2, 0.9],
            [1.7, -2.0, 0.4],
            [float("inf"), 0.1, -float("inf")],
        ]
    )


def spec_of(dimensions: int) -> HashGridSpec:
    """Dense and hashed levels in 2 to 5 dimensions, cut differently along each axis."""
    base, finest = (2, 3, 2, 1, 1)[:dimensions], (40, 30, 20, 6, 4)[:dimensions]
    return HashGridSpec(4, 2, log2_table_size=9, base_resolution=base, finest_resolution=finest, dimensions=dimensions)


def first_order(backend: str, points, table, upstream, spec: HashGridSpec = SPEC, **options):
    points, table = points.clone().requires_grad_(), table.clone().requires_grad_()
    encoded = hash_grid(points, table, spec, backend=backend, **options)
    return (encoded.detach(), *torch.autograd.grad(encoded, (points, table), upstream))


def second_order(backend: str, points, table, upstream, spec: HashGridSpec = SPEC):
    """Gradients of a loss on the position gradient, and of one on the table gradient."""
    leaves = [tensor.clone().requires_grad_() for tensor in (points, table, upstream)]
    encoded = hash_grid(leaves[0], leaves[1], spec, backend=backend)
    to_points, to_table = torch.autograd.grad(encoded, leaves[:2], leaves[2], create_graph=True)
    on_normals = torch.autograd.grad((0.01 * to_points).sin().sum(), leaves, retain_graph=True)
    on_both = torch.autograd.grad(to_points.square().sum() + to_table.square().sum(), leaves)
    return (*on_normals, *on_both)


def assert_near(actual: torch.Tensor, expected: torch.Tensor, relative: float) -> None:
    assert (actual - expected).abs().max() <= relative * expected.abs().max().clamp(min=1e-6)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("features", [1, 2, 4])
def test_values_equal_the_reference(backend, features):
    spec = HashGridSpec(5, features, log2_table_size=12, base_resolution=3, finest_resolution=200)
    points, table, _ = random_inputs(spec, n=amount(backend, 3000, 100))
    actual = hash_grid(points, table, spec, backend=backend)
    torch.testing.assert_close(actual, hash_grid(points, table, spec, backend="reference"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_values_equal_the_reference_where_levels_exceed_the_cache(backend):
    spec = HashGridSpec(levels=2, log2_table_size=18, base_resolution=60, finest_resolution=300)
    points, table, _ = random_inputs(spec, n=amount(backend, 5000, 300))
    actual = hash_grid(points, table, spec, backend=backend)
    torch.testing.assert_close(actual, hash_grid(points, table, spec, backend="reference"), rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@pytest.mark.parametrize("active", [1, 3, 4])
def test_gradients_equal_the_reference(backend, active):
    inputs = random_inputs(n=amount(backend, 300, 60))
    pairs = zip(
        first_order(backend, *inputs, active_levels=active),
        first_order("reference", *inputs, active_levels=active),
        strict=True,
    )
    for actual, expected in pairs:
        assert_near(actual, expected, 1e-5)


@pytest.mark.parametrize("backend", BACKENDS_ANEW)
@pytest.mark.parametrize("dimensions", [2, 4, 5])
def test_other_dimensions_equal_the_reference(backend, dimensions):
    spec = spec_of(dimensions)
    assert set(spec.dense) == {True, False}
    inputs = random_inputs(spec, n=amount(backend, 300, 40))
    inputs[0][:3] = torch.tensor([[0.0] * dimensions, [1.0] * dimensions, [-0.3, 1.7, 0.5, 1.0, 0.0][:dimensions]])
    actual, expected = (first_order(way, *inputs, spec=spec) for way in (backend, "reference"))
    for mine, theirs in zip(actual, expected, strict=True):
        assert_near(mine, theirs, 1e-5)


@pytest.mark.parametrize("backend", BACKENDS_ANEW)
@pytest.mark.parametrize("dimensions", [2, 4, 5])
def test_double_backward_in_other_dimensions_equals_the_reference(backend, dimensions):
    spec = spec_of(dimensions)
    inputs = random_inputs(spec, n=amount(backend, 300, 40))
    actual, expected = (second_order(way, *inputs, spec=spec) for way in (backend, "reference"))
    for mine, theirs in zip(actual, expected, strict=True):
        assert_near(mine, theirs, 1e-5)


@pytest.mark.parametrize("dimensions", [2, 5])
def test_derivatives_in_other_dimensions_equal_finite_differences(dimensions):
    spec = HashGridSpec(2, 1, log2_table_size=4, base_resolution=1, finest_resolution=3, dimensions=dimensions)
    points, table, _ = random_inputs(spec, n=2, dtype=torch.float64)
    inputs = (points.requires_grad_(), table.requires_grad_())
    assert torch.autograd.gradcheck(lambda p, t: hash_grid(p, t, spec, backend="reference"), inputs)


@pytest.mark.parametrize("backend", ["reference", *BACKENDS_ANEW])
def test_a_linear_table_is_reproduced_in_five_dimensions(backend):
    base = (3, 2, 1, 2, 1)
    spec = HashGridSpec(1, 1, log2_table_size=10, base_resolution=base, finest_resolution=base, dimensions=5)
    vertices = torch.cartesian_prod(*[torch.arange(along + 1.0) for along in base]) / torch.tensor(base)
    slopes = torch.tensor([1.0, 2.0, -3.0, 0.5, 4.0])
    # The first axis runs fastest in the table, the last one in the product.
    order = torch.arange(spec.rows).reshape([along + 1 for along in base]).permute(4, 3, 2, 1, 0).flatten()
    points, _, _ = random_inputs(spec, n=40)
    encoded = hash_grid(points, (vertices @ slopes)[order][:, None], spec, backend=backend)
    torch.testing.assert_close(encoded[:, 0], points @ slopes, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_degenerate_points_equal_the_reference(backend):
    points = degenerate_points()
    _, table, upstream = random_inputs(n=len(points))
    pairs = zip(
        first_order(backend, points, table, upstream), first_order("reference", points, table, upstream), strict=True
    )
    for actual, expected in pairs:
        assert_near(actual, expected, 1e-5)


@pytest.mark.parametrize(
    ("backend", "dtype", "relative"),
    [
        ("numba", torch.float32, 1e-5),
        pytest.param("numba", torch.float64, 1e-12, marks=COMPILED_ANEW),
        pytest.param("triton", torch.float32, 1e-5, marks=needs_triton),
        pytest.param("triton", torch.float64, 1e-12, marks=needs_triton),
    ],
)
def test_double_backward_equals_the_reference(backend, dtype, relative):
    inputs = random_inputs(dtype=dtype)
    for actual, expected in zip(second_order(backend, *inputs), second_order("reference", *inputs), strict=True):
        assert_near(actual, expected, relative)


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_double_backward_of_clamped_points_equals_the_reference(backend):
    points = degenerate_points()
    _, table, upstream = random_inputs(n=len(points))
    pairs = zip(
        second_order(backend, points, table, upstream), second_order("reference", points, table, upstream), strict=True
    )
    for actual, expected in pairs:
        assert_near(actual, expected, 1e-5)


@pytest.mark.parametrize("backend", ["reference", pytest.param("numba", marks=COMPILED_ANEW)])
def test_derivatives_equal_finite_differences(backend):
    spec = HashGridSpec(levels=2, features_per_level=2, log2_table_size=4, base_resolution=1, finest_resolution=3)
    points, table, _ = random_inputs(spec, n=4, dtype=torch.float64)
    inputs = (points.requires_grad_(), table.requires_grad_())

    def encode(points, table):
        return hash_grid(points, table, spec, backend=backend)

    assert torch.autograd.gradcheck(encode, inputs)
    assert torch.autograd.gradgradcheck(encode, inputs)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_linear_table_is_reproduced(backend):
    spec = HashGridSpec(levels=1, features_per_level=1, log2_table_size=10, base_resolution=4, finest_resolution=4)
    x, y, z = (axis.flatten() / 4 for axis in torch.meshgrid(*[torch.arange(5.0)] * 3, indexing="ij"))
    vertex = (x * 4 + y * 4 * 5 + z * 4 * 25).long()
    table = torch.zeros(spec.rows, 1).index_copy(0, vertex, (x + 2 * y - 3 * z)[:, None])
    points, _, _ = random_inputs(spec)
    expected = points @ torch.tensor([1.0, 2.0, -3.0])
    torch.testing.assert_close(hash_grid(points, table, spec, backend=backend)[:, 0], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_outside_are_clamped_and_get_no_gradient_there(backend):
    _, table, _ = random_inputs()
    points = torch.tensor([[-0.5, 0.3, 0.6], [0.0, 0.3, 0.6]], requires_grad=True)
    encoded = hash_grid(points, table, SPEC, backend=backend)
    torch.testing.assert_close(encoded[0], encoded[1])
    (to_points,) = torch.autograd.grad(encoded.sum(), points)
    assert to_points[0, 0] == 0 and to_points[1, 0] != 0 and to_points[0, 1] != 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_nan_coordinate_gives_nan_features(backend):
    _, table, _ = random_inputs()
    points = torch.tensor([[0.5, float("nan"), 0.5], [0.5, 0.5, 0.5]])
    encoded = hash_grid(points, table, SPEC, backend=backend)
    assert encoded[0].isnan().all() and encoded[1].isfinite().all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_inactive_levels_are_zero_and_the_others_unchanged(backend):
    points, table, upstream = random_inputs(n=amount(backend, 300, 60))
    full, _, _ = first_order(backend, points, table, upstream)
    part, _, to_table = first_order(backend, points, table, upstream, active_levels=2)
    assert torch.equal(part[:, :4], full[:, :4]) and not part[:, 4:].any()
    assert not to_table[SPEC.offsets[2] :].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_points_give_no_features_and_a_zero_gradient(backend):
    _, table, _ = random_inputs()
    encoded, to_points, to_table = first_order(backend, torch.zeros(0, 3), table, torch.zeros(0, SPEC.channels))
    assert encoded.shape == (0, SPEC.channels) and to_points.shape == (0, 3) and not to_table.any()


@pytest.mark.parametrize("backend", ["numba"])
def test_two_runs_have_the_same_bits_whatever_the_threads(backend):
    inputs = random_inputs(n=20_000)
    before = torch.get_num_threads()
    runs = []
    for threads in (before, before, 1):
        torch.set_num_threads(threads)
        runs.append((*first_order(backend, *inputs), *second_order(backend, *inputs)))
    torch.set_num_threads(before)
    for first, second, alone in zip(*runs, strict=True):
        assert torch.equal(first, second) and torch.equal(first, alone)


def test_layout_follows_the_paper():
    spec = HashGridSpec()
    assert spec.resolutions[0] == 16 and spec.resolutions[-1] == 2048
    assert spec.growth == pytest.approx(128 ** (1 / 15))
    assert list(spec.dense).index(False) == 5
    assert spec.offsets[1] == 17**3 and spec.offsets[6] - spec.offsets[5] == 2**19
    assert spec.rows == spec.offsets[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"points": torch.zeros(5, 2)}, r"points are \[n, 3\]"),
        ({"table": torch.zeros(7, 2)}, "the table of this spec is"),
        ({"points": torch.zeros(5, 3, dtype=torch.float16)}, "both float32 or both float64"),
        ({"active_levels": 9}, "between 1 and 4"),
    ],
)
def test_wrong_inputs_are_named(change, message):
    arguments = {"points": torch.zeros(5, 3), "table": torch.zeros(SPEC.rows, 2), "spec": SPEC, **change}
    with pytest.raises(ValueError, match=message):
        hash_grid(**arguments)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"finest_resolution": 8}, "finest_resolution is 8; it lies between 16"),
        ({"dimensions": 6}, "dimensions is 6; it lies between 2 and 5"),
        ({"dimensions": 5, "finest_resolution": (64, 64, 64)}, "has 3 numbers; one for each of 5 dimensions"),
    ],
)
def test_a_spec_out_of_range_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        HashGridSpec(**settings)


def test_code_axes_may_be_cut_less_finely_than_space():
    base, finest = (8, 8, 8, 2, 2), (512, 512, 512, 16, 16)
    spec = HashGridSpec(levels=8, base_resolution=base, finest_resolution=finest, dimensions=5)
    assert spec.cells[0] == base and spec.cells[-1] == finest
