"""The nano world: exact, repeatable, captioned, held out."""

import numpy as np
import pytest

from maquette_nano import world
from maquette_nano.world.categories import CATEGORIES
from maquette_nano.world.colors import COLORS, PATTERNS

FRONT, SIDE, BACK = (world.orbit_c2w(azimuth, 15, 3.2) for azimuth in (0, 90, 180))


def thing(category: str, body: str = "red", detail: str = "blue", pattern: str = "plain", seed: int = 0):
    return world.make_object(category, body, detail, pattern, seed)


def test_the_same_seed_is_the_same_object_and_picture():
    first, second = (world.render(world.sample_object(5, "train"), FRONT[None], 35, 32) for _ in range(2))
    assert np.array_equal(first.rgb, second.rgb) and np.array_equal(first.depth, second.depth)


def test_splits_share_no_pair_and_training_misses_no_category_or_colour():
    pairs = {(c, k): world.split_of(c, k) for c in CATEGORIES for k in COLORS}
    train = {pair for pair, split in pairs.items() if split == "train"}
    assert {c for c, _ in train} == set(CATEGORIES) and {k for _, k in train} == set(COLORS)
    for split in ("train", "validation", "test"):
        drawn = [world.sample_attributes(seed, split) for seed in range(12)]
        assert all(pairs[category, body] == split for category, body, *_ in drawn)
        thing = world.sample_object(0, split)
        assert (thing.category, thing.body, thing.detail, thing.pattern) == drawn[0][:4]


def test_test_prompts_are_32_held_out_pairs_of_all_categories():
    prompts = world.test_prompts()
    assert len(set(prompts)) == 32
    named = [next(c for c in CATEGORIES if c in prompt.split()) for prompt in prompts]
    bodies = [prompt.split()[1] for prompt in prompts]
    assert set(named) == set(CATEGORIES)
    assert all(world.split_of(c, k) == "test" for c, k in zip(named, bodies, strict=True))


@pytest.mark.parametrize("category", CATEGORIES)
def test_front_side_and_back_differ(category):
    views = world.render(thing(category), np.stack([FRONT, SIDE, BACK]), 35, 48).picture.over(1.0).numpy()
    least = 0.001 if category in ("tree", "lamp", "mushroom") else 0.003  # round but for fruits, cord or face
    assert np.abs(views[0] - views[1]).mean() > least and np.abs(views[0] - views[2]).mean() > least


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_object_fits_its_sphere(category):
    rng = np.random.default_rng(0)
    outside = rng.normal(size=(2000, 3))
    outside *= 0.84 / np.linalg.norm(outside, axis=1, keepdims=True)
    assert thing(category).sdf(outside.astype(np.float32)).min() > 0


def test_hits_lie_on_the_surface_and_distances_do_not_overshoot():
    view = world.render(thing("duck"), FRONT[None], 35, 64, supersample=1)
    rows, columns = np.nonzero(view.opacity[0] == 1)
    focal = 32 / np.tan(np.radians(17.5))
    local = np.stack([(columns + 0.5 - 32) / focal, -(rows + 0.5 - 32) / focal, -np.ones(len(rows))], -1)
    directions = local @ FRONT[:3, :3].T
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    points = (FRONT[:3, 3] + view.depth[0, rows, columns, None] * directions).astype(np.float32)
    assert np.abs(thing("duck").sdf(points)).max() < 2e-3
    step = np.array([1e-3, 0, 0], np.float32)
    slope = (thing("duck").sdf(points + step) - thing("duck").sdf(points - step)) / 2e-3
    assert np.abs(slope).max() < 1.1


def test_mesh_and_tracer_agree_in_silhouette():
    from maquette_nano.world.meshing import mesh

    car = thing("car")
    surface = mesh(car, 96)
    focal = 32 / np.tan(np.radians(17.5))
    view = np.linalg.inv(SIDE)
    local = surface.vertices @ view[:3, :3].T + view[:3, 3]
    flat = np.stack([32 + focal * local[:, 0] / -local[:, 2], 32 - focal * local[:, 1] / -local[:, 2]], -1)
    from PIL import Image, ImageDraw

    canvas = Image.new("L", (512, 512))
    draw = ImageDraw.Draw(canvas)
    for triangle in flat[surface.faces] * 8:
        draw.polygon([tuple(p) for p in triangle], fill=255)
    drawn = np.asarray(canvas.resize((64, 64), Image.Resampling.BOX)) > 127
    traced = world.render(car, SIDE[None], 35, 64).opacity[0] > 0.5
    assert (drawn & traced).sum() / (drawn | traced).sum() > 0.97


@pytest.mark.parametrize("name", ["car", "mug", "duck"])
def test_truth_meshes_are_wound_outward(name):
    from maquette.meshes.mesh import Mesh
    from maquette_nano.world.meshing import mesh

    surface = mesh(thing(name), 64)
    whole = Mesh(surface.vertices, surface.faces)
    middles = surface.vertices[surface.faces].mean(1)
    crosses = np.cross(*(surface.vertices[surface.faces[:, i]] - surface.vertices[surface.faces[:, 0]] for i in (1, 2)))
    normals = crosses / np.maximum(np.linalg.norm(crosses, axis=1, keepdims=True), 1e-12)
    rises = thing(name).sdf((middles + 0.01 * normals).astype(np.float32)) > thing(name).sdf(middles.astype(np.float32))
    assert whole.volume > 0 and rises.mean() > 0.97


def test_mesh_colours_are_the_objects_colours():
    from maquette_nano.world.meshing import mesh

    surface = mesh(thing("mug", "red", "green"), 64)
    reds = np.abs(surface.vertex_colors - np.array(COLORS["red"])).max(1) < 0.01
    assert 0.4 < reds.mean() < 0.95


def test_captions_use_only_known_words():
    known = set(world.words())
    for seed in range(60):
        item = world.sample_object(seed, "train")
        for detailed in (False, True):
            text = f"{item.caption(detailed)}, {world.view_word(seed * 7, seed)}"
            assert set(text.replace(",", " ,").split()) <= known, text


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_show_the_detail_colour(pattern):
    picture = world.render(thing("mushroom", "red", "white", pattern), SIDE[None], 35, 64)
    cap = picture.rgb[0][:30][picture.opacity[0][:30] == 1]
    whites = (cap.min(axis=1) > 0.5).mean()
    assert whites < 0.02 if pattern == "plain" else whites > 0.05


def test_view_words_by_quadrant():
    assert [world.view_word(a, 0) for a in (0, 90, 180, 270, 350)] == [
        "front view", "side view", "back view", "side view", "front view"
    ]  # fmt: skip
    assert world.view_word(0, 75) == "overhead view"


def test_colours_follow_the_carved_shape_and_faces_stay_visible():
    # the stem stands where the cap was carved away; it and the eyes on it keep their own colours
    stem = world.render(thing("mushroom", "orange", "white"), FRONT[None], 35, 64).rgb[0, 40:44, 28:36]
    assert np.median(stem[..., 2]) > 0.5  # white, not orange
    for name in ("mushroom", "fish"):
        rgb = world.render(thing(name, "red", "green"), FRONT[None], 35, 96)
        assert ((rgb.rgb[0].max(-1) < 0.2) & (rgb.opacity[0] > 0.9)).sum() > 5  # dark eyes
