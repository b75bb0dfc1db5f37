"""Worlds: windows that fit together, maps whose memory grows with the square, and what stands on the ground."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from maquette.errors import ConfigError
from maquette.landscapes import World, WorldConfig
from maquette.landscapes.cells import EndlessCells, FixedCells, jittered_sites, relaxed
from maquette.landscapes.classes import BIOMES, CLASSES, LABELS, NAMES, TREE, WATER, biomes_of, labels_of
from maquette.landscapes.noise import equalised, noise_map
from maquette.landscapes.relief import shaped
from maquette.landscapes.trees import BITS, plant, tree_model

SMALL = WorldConfig(size=96, scale=0.125, tree_scale=0.3, tree_density=0.05, relaxation=3)
ENDLESS = WorldConfig(size=96, scale=0.125, tree_scale=0.3, unbounded=True, relief=True)
MAPS = ("height", "classes", "labels", "tree_base", "tree_bits")


@pytest.mark.parametrize(("shift", "origin"), [((41, 17), (0, 0)), ((-30, 5), (123_456, -654_321))])
def test_windows_of_an_unbounded_world_are_equal_where_they_overlap(shift, origin):
    world = World(3, ENDLESS)
    first = world.window(*origin)
    second = world.window(origin[0] + shift[0], origin[1] + shift[1])
    here = tuple(slice(max(step, 0), 96 + min(step, 0)) for step in shift)
    there = tuple(slice(max(-step, 0), 96 + min(-step, 0)) for step in shift)
    for name in MAPS:
        assert torch.equal(getattr(first, name)[here], getattr(second, name)[there]), name
    assert first.tree_bits.any()


def test_windows_of_a_fixed_map_are_cut_from_it():
    world = World(0, SMALL)
    first, second = world.window(0, 0), world.window(40, 100)
    assert torch.equal(first.height[40:], world.window(40, 0).height[:56])
    assert second.origin == (40, 100) and second.size == (96, 96)
    with pytest.raises(ConfigError, match="x and y lie between 0 and 160, or take unbounded=true"):
        world.window(161, 0)


def test_the_same_seed_is_the_same_world_and_another_one_is_not():
    heights = [World(seed, ENDLESS).window().height for seed in (5, 5, 6)]
    assert torch.equal(heights[0], heights[1]) and not torch.equal(heights[0], heights[2])


def test_memory_of_the_view_from_above_grows_with_the_square_of_the_side():
    sizes = (32, 64, 128)
    bytes_of = [World(0, WorldConfig(size=size, scale=0.0625, unbounded=True)).window().nbytes for size in sizes]
    assert [each / bytes_of[0] for each in bytes_of] == [1, 4, 16]


def test_water_is_what_lies_below_the_sea_and_trees_stand_on_land():
    scene = World(1, ENDLESS).window()
    water = scene.classes == WATER
    assert (scene.height[water] <= 0).all() and (scene.height[~water] >= 0).all()
    assert scene.tree_bits[scene.classes == TREE].all()


def test_encoder_input_is_height_and_eleven_classes_one_hot():
    scene = World(1, ENDLESS).window()
    stacked = scene.encoder_input()
    assert stacked.shape == (12, 96, 96) and torch.equal(stacked[1:].sum(dim=0), torch.ones(96, 96))
    assert torch.equal(stacked[1:].argmax(dim=0), scene.classes.long()) and stacked[0].abs().max() <= 1


def test_heights_are_whole_levels():
    heights = World(1, ENDLESS).window().height / ENDLESS.scale
    assert torch.equal(heights, heights.round()) and heights.max() <= 255


def test_relaxed_points_keep_apart():
    points = np.random.default_rng(0).uniform(0, 100, (80, 2))

    def nearest(points):
        return np.sort(np.linalg.norm(points[:, None] - points[None], axis=-1), axis=1)[:, 1].min()

    assert nearest(relaxed(points, 100, 30)) > 5 * nearest(points)


@pytest.mark.parametrize("cells", [FixedCells(0, 256, rounds=3), EndlessCells(0, 20.0, 128.0)])
def test_each_of_the_cells_has_one_biome(cells):
    positions = np.random.default_rng(0).uniform(0, 255, (4000, 2))
    numbers, biomes = cells.at(positions)
    assert len(np.unique(numbers)) > 50
    assert len(np.unique(np.stack([numbers, biomes]), axis=1).T) == len(np.unique(numbers))


def test_endless_cells_take_the_nearest_site_of_all():
    cells, positions = EndlessCells(0, 20.0, 128.0), np.random.default_rng(1).uniform(0, 100, (500, 2))
    squares = np.stack(np.meshgrid(np.arange(-4, 9), np.arange(-4, 9), indexing="ij"), axis=-1).reshape(-1, 2)
    sites = jittered_sites(squares, 0, 0) * 20.0
    nearest = np.linalg.norm(positions[:, None] - sites[None], axis=-1).argmin(axis=1)
    numbers, _ = cells.at(positions)
    assert len(np.unique(np.stack([numbers, nearest]), axis=1).T) == len(np.unique(nearest))


def test_classes_are_eleven_and_labels_twelve():
    assert len(CLASSES) == 11 and len(BIOMES) == 9 and len(LABELS) == 12
    assert [LABELS[entry.label] for entry in CLASSES[:4]] == ["sand", "dirt", "grass", "stone"]


def test_every_biome_has_a_climate():
    climate = np.random.default_rng(0).uniform(-1, 1, (2, 5000))
    assert set(biomes_of(*climate).tolist()) == set(range(9))


def test_labels_follow_the_relief_only_where_asked():
    classes = np.full((1, 3), NAMES.index("rainforest"), np.uint8)
    height, slope = np.array([[0.01, 0.2, 0.6]]), np.array([[0.1, 2.0, 0.1]])
    assert [LABELS[label] for label in labels_of(classes, height, slope, False)[0]] == ["grass"] * 3
    assert [LABELS[label] for label in labels_of(classes, height, slope, True)[0]] == ["sand", "rock", "snow"]


def test_equalised_noise_is_uniform_by_its_known_distribution():
    along = np.arange(0, 300, 0.7)
    values = equalised(noise_map(along, along, 1.0, seed=9).ravel(), alpha=1.0)
    counts = np.histogram(values, bins=10, range=(-1, 1))[0] / values.size
    assert np.abs(counts - 0.1).max() < 0.02


def test_relief_is_shaped_by_a_curve_that_ends_where_it_says():
    ends = np.array([[0.0, 1.0]])
    assert shaped(ends, ends, (0.5, 1.0, 0.25, 1.0, 0.8, 1.0)).tolist() == [[0.0, 0.8]]


def test_trees_are_merged_into_columns_of_bits():
    ground = np.zeros((9, 9))
    ground[6] = 3.0
    columns = plant(np.array([[4, 4], [6, 4]]), np.array([0, 0]), ground, 0.25)
    model = tree_model("conifer", 0.25)
    for (x, y), foot in (((4, 4), 0), ((6, 4), 3)):
        word = int(columns.bits[x, y]) >> (foot - int(columns.base[x, y]))
        assert [bool(word >> k & 1) for k in range(model.shape[2])] == model[1, 1].tolist()
    assert columns.bits[5, 4] and columns.base[5, 4] == 0 and columns.bits.max() < 1 << BITS


def test_a_landscape_with_a_margin_has_the_window_in_its_middle_and_mirrors_positions_beyond_it():
    config = WorldConfig(size=32, scale=0.1, tree_scale=0.3, unbounded=True)
    plain, wide = World(2, config).window(5, -7), World(2, replace(config, beyond=8)).window(5, -7)
    assert wide.size == (48, 48) and wide.window_size == (32, 32) and wide.origin == (-3, -15)
    inner = wide.window()
    assert inner.origin == plain.origin and torch.equal(inner.height, plain.height)
    assert torch.equal(inner.labels, plain.labels) and torch.equal(wide.encoder_input(), plain.encoder_input())
    points = torch.tensor([[8.0, 8.0, 0.0], [39.0, 23.5, 0.0], [4.0, 43.0, 0.0]])
    expected = torch.tensor([[0.0, 0.0], [1.0, 0.5], [4 / 31, 27 / 31]])
    torch.testing.assert_close(wide.positions(points)[:, :2], expected)


def test_only_an_unbounded_world_has_something_beyond_its_map():
    with pytest.raises(ConfigError, match=r"a window of 48 cells at \(-8, -8\) leaves the map"):
        World(0, WorldConfig(size=32, scale=0.1, beyond=8)).window()
