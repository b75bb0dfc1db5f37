"""Rays over a height field: closed forms, a brute-force march, and the backends beside the reference."""

import pytest
import torch
from interpreted import TRITON, amount

from maquette.kernels.height_field import BITS, GROUND, SKY, TREE, WATER, cast_rays
from maquette.landscapes import World, WorldConfig

BACKENDS = ["reference", "numba", TRITON]
FAST_BACKENDS = ["numba", TRITON]


def hills(size: int = 24) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A small world with trees."""
    config = WorldConfig(size=size, scale=0.0625, tree_scale=0.25, unbounded=True)
    scene = World(1, config).window(20, 10)
    return scene.height, scene.tree_base, scene.tree_bits


def random_rays(n: int, size: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    keyed = torch.Generator().manual_seed(1)
    origins = torch.rand(n, 3, generator=keyed, dtype=dtype) * torch.tensor([size * 1.4, size * 1.4, 12.0], dtype=dtype)
    directions = torch.randn(n, 3, generator=keyed, dtype=dtype) * torch.tensor([1.0, 1.0, 0.5], dtype=dtype)
    directions[:4] = torch.tensor([[0.0, 0, -1], [1.0, 0, 0], [0.0, -1, -0.2], [0.0, 0, 1]], dtype=dtype)
    return origins - torch.tensor([size * 0.2, size * 0.2, -1.0], dtype=dtype), directions


def flat(height: float, size: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    none = torch.zeros(size, size, dtype=torch.int64)
    return torch.full((size, size), height), none, none


@pytest.mark.parametrize("backend", FAST_BACKENDS)
def test_hits_equal_the_reference(backend):
    maps = hills()
    assert maps[2].any() and (maps[0] < 0).any() and (maps[0] > 0).any()
    rays = random_rays(amount(backend, 4000, 300), 24)
    actual, expected = (cast_rays(*rays, *maps, backend=way) for way in (backend, "reference"))
    assert torch.equal(actual.kind, expected.kind) and set(expected.kind.tolist()) == {SKY, GROUND, WATER, TREE}
    torch.testing.assert_close(actual.depth, expected.depth, rtol=1e-5, atol=1e-5)


def test_hits_equal_a_march_in_tiny_steps():
    ground, base, bits = hills()
    origins, directions = random_rays(200, 24, torch.float64)
    hits = cast_rays(origins, directions, ground.double(), base, bits, reach=40.0, backend="reference")
    t = torch.linspace(0, 40, 20_001, dtype=torch.float64)
    points = origins[:, None] + t[:, None] * directions[:, None]
    i, j = (points[..., axis].floor().long().clamp(0, 22) for axis in (0, 1))
    u, v = points[..., 0] - i, points[..., 1] - j
    surface = (1 - u) * ((1 - v) * ground[i, j] + v * ground[i, j + 1])
    surface = surface + u * ((1 - v) * ground[i + 1, j] + v * ground[i + 1, j + 1])
    inside = ((points[..., :2] >= 0) & (points[..., :2] <= 23)).all(dim=-1)
    above_water = (origins[:, 2] >= 0)[:, None]
    voxel = (points[..., 2] - base[i, j]).floor().long()
    solid = (voxel >= 0) & (voxel < BITS) & ((bits[i, j] >> voxel.clamp(0, BITS - 1)) % 2 == 1)
    meets = (inside & ((points[..., 2] < surface) | solid)) | ((points[..., 2] < 0) & above_water)
    marched = torch.where(meets.any(dim=1), t[meets.int().argmax(dim=1)], torch.inf)
    near = (hits.depth - marched).abs() < 0.01
    both = hits.depth.isinf() & marched.isinf()
    assert (near | both).float().mean() > 0.985  # the rest touch a voxel's edge or a crest within a step


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_slope_is_met_where_the_plane_is(backend):
    ground, none, bits = flat(0.0, 16)
    ground = ground + torch.arange(16.0)[:, None] / 2
    origins, directions = torch.tensor([[1.0, 3.3, 4.0]]), torch.tensor([[1.0, 0.1, 0.0]])
    hits = cast_rays(origins, directions, ground, none, bits, backend=backend)
    assert hits.depth.item() == pytest.approx(7.0, abs=1e-4) and hits.kind.item() == GROUND


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_tree_is_met_at_the_side_or_the_top_of_its_voxels(backend):
    ground, base, bits = flat(1.0)
    base, bits = base + 1, bits.clone()
    bits[4, 4] = 0b101  # a gap between two voxels, from z = 1
    origins = torch.tensor([[1.5, 4.5, 1.5], [1.5, 4.5, 2.5], [4.5, 4.5, 9.0], [4.5, 4.5, 2.9]])
    directions = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -2.0], [0.0, 0.0, 1.0]])
    hits = cast_rays(origins, directions, ground, base, bits, backend=backend)
    assert hits.kind.tolist() == [TREE, SKY, TREE, TREE]
    assert [hits.depth[ray].item() for ray in (0, 2, 3)] == pytest.approx([2.5, 2.5, 0.1], abs=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_water_covers_the_ground_below_it(backend):
    maps = flat(-2.0)
    origins = torch.tensor([[2.0, 2.0, 1.0], [2.0, 2.0, -1.0], [-3.0, 2.0, 1.0]])
    directions = torch.tensor([[1.0, 0.0, -1.0]]).expand(3, 3)
    hits = cast_rays(origins, directions, *maps, backend=backend)
    assert hits.kind.tolist() == [WATER, GROUND, WATER]  # the last one beside the map
    assert hits.depth.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_rays_that_miss_or_end_early_meet_the_sky(backend):
    maps = flat(0.5)
    origins = torch.tensor([[-2.0, 9.0, 3.0], [2.0, 2.0, 3.0], [-1.0, 2.0, 1.0], [2.0, 2.0, 9.0]])
    directions = torch.tensor([[1.0, 0.0, -0.1], [0.3, 0.2, 1.0], [1.0, 0.0, -0.1], [0.0, 0.0, -1.0]])
    hits = cast_rays(origins, directions, *maps, reach=6.0, backend=backend)
    assert hits.kind.tolist() == [SKY, SKY, GROUND, SKY]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"origins": torch.zeros(1, 2)}, r"origins are \[1, 3\]"),
        ({"ground": torch.zeros(1, 8)}, "at least two cells"),
        ({"ground": torch.zeros(8, 8).double()}, "all float32 or all float64"),
        ({"tree_bits": torch.zeros(8, 8)}, r"tree_bits is int64 \[8, 8\]"),
    ],
)
def test_wrong_inputs_are_named(change, message):
    ground, base, bits = flat(0.0)
    arguments = {
        "origins": torch.zeros(1, 3), "directions": torch.ones(1, 3), "ground": ground, "tree_base": base,
        "tree_bits": bits,
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        cast_rays(**{**arguments, **change})
