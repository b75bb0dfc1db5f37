"""Pairs of views of mesh files: where they are taken from, what the cache keeps, and which folders are refused."""

import logging
import shutil

import numpy as np
import pytest
import torch
import trimesh
from safetensors.torch import load_file

from maquette.cameras.directions import relative_pose
from maquette.datasets.mesh_pairs import MeshPairs
from maquette.errors import ConfigError
from maquette.randomness import Draws
from mesh_folder import COLORS, box, write_meshes

SIZE = 48


def prepared(folder, cache, **settings) -> MeshPairs:
    config = MeshPairs.Config(str(folder), **{"size": SIZE, "views": 4, "workers": 1, "cache": str(cache), **settings})
    dataset = MeshPairs(config)
    dataset.prepare(torch.device("cpu"))
    return dataset


def entries(cache) -> dict:
    return {str(path.relative_to(cache)): path.read_bytes() for path in sorted(cache.rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_meshes(tmp_path_factory.mktemp("meshes") / "boxes")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("views")


@pytest.fixture(scope="module")
def data(folder, cache):
    return prepared(folder, cache)


def color_of(picture: torch.Tensor) -> str:
    """The nearest hue of COLORS to the mean of what is not white."""
    covered = picture[(picture < 0.95).any(-1)].mean(0)
    hues = {name: torch.nn.functional.normalize(torch.tensor(color), dim=0) for name, color in COLORS.items()}
    return max(hues, key=lambda name: float(hues[name] @ covered))


def test_both_views_show_one_mesh_over_white_and_the_pose_is_that_of_their_cameras(data):
    pairs = data.batch(Draws(0, 0), 12)
    assert pairs.reference.shape == pairs.target.shape == (12, SIZE, SIZE, 3)
    assert torch.equal(pairs.reference[:, 0, 0], torch.ones(12, 3))
    shown = [(color_of(a), color_of(b)) for a, b in zip(pairs.reference, pairs.target, strict=True)]
    assert all(first == second for first, second in shown) and len({first for first, _ in shown}) > 1
    assert torch.equal(pairs.pose, relative_pose(pairs.reference_cameras, pairs.target_cameras))
    assert (pairs.pose[:, 3] != 0).all()  # no view is its own target, and distances differ


def test_a_batch_is_a_function_of_its_draws(data):
    first, again, other = (data.batch(Draws(0, step), 6) for step in (1, 1, 2))
    assert torch.equal(first.target, again.target) and not torch.equal(first.target, other.target)


def test_the_silhouette_of_a_box_is_where_a_pinhole_camera_projects_its_corners(data, cache):
    """The oracle projects the corners of each box by hand: an orbit about the origin, z up, 49.1 degrees."""
    for number, (name, _) in enumerate(COLORS.items()):
        entry = next(each for each in [*data._train, *data._held_out] if each.mesh.stem == name)
        corners = trimesh.creation.box(extents=(1.0, 0.5 + 0.1 * number, 0.4)).vertices
        stored = load_file(entry.file)
        for view in range(4):
            azimuth, elevation = (np.deg2rad(float(stored[key][view])) for key in ("azimuth_deg", "elevation_deg"))
            eye = float(stored["distance"][view]) * np.array(
                [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)]
            )
            back = eye / np.linalg.norm(eye)
            right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
            local = (corners - eye) @ np.stack([right, np.cross(back, right), back], axis=1)
            focal = 0.5 * SIZE / np.tan(np.deg2rad(49.1) / 2)
            columns = SIZE / 2 + focal * local[:, 0] / -local[:, 2]
            rows = SIZE / 2 - focal * local[:, 1] / -local[:, 2]
            covered = (stored["rgba"][view, ..., 3] > 127).nonzero().numpy()
            expected = np.clip([rows.min(), columns.min(), rows.max(), columns.max()], 0, SIZE)
            found = [*covered.min(0), *(covered.max(0) + 1)]
            np.testing.assert_allclose(found, expected, atol=1.0)


def test_cameras_stand_within_their_ranges_and_all_around(folder, tmp_path):
    data = prepared(folder, tmp_path, views=40, size=8, elevation_deg=(-10.0, 60.0), distance=(1.5, 2.2))
    stored = [load_file(entry.file) for entry in [*data._train, *data._held_out]]
    elevation, azimuth, distance = (
        torch.cat([each[key] for each in stored]) for key in ("elevation_deg", "azimuth_deg", "distance")
    )
    assert elevation.min() >= -10 and elevation.max() <= 60 and elevation.max() - elevation.min() > 60
    assert distance.min() >= 1.5 and distance.max() <= 2.2
    assert np.histogram(azimuth, bins=4, range=(0, 360))[0].min() > 20


def test_held_out_meshes_are_in_no_batch_and_at_least_one_is(data):
    assert len(data._held_out) == 1 and len(data._train) == 3
    held_out = {color_of(picture) for picture in data.held_out(Draws(0, 0), 4).reference}
    trained = {color_of(picture) for picture in data.batch(Draws(0, 0), 24).reference}
    assert len(held_out) == 1 and len(trained) == 3 and not held_out & trained


def test_the_sheet_has_other_views_of_the_held_out_meshes_there_are(data):
    pairs = data.sample_pairs(8, 5)
    assert len(pairs.reference) == 5  # of one mesh
    assert torch.equal(pairs.reference[0], pairs.reference[4])
    assert not any(torch.equal(pairs.reference[0], target) for target in pairs.target)


def test_the_cache_renders_what_is_missing_to_the_same_bytes_and_nothing_else(folder, data, cache):
    before = entries(cache)
    files = sorted(cache.rglob("*.safetensors"))
    times = {file: file.stat().st_mtime_ns for file in files}
    assert len(files) == 4
    files[1].unlink()
    prepared(folder, cache)
    assert entries(cache) == before
    assert all(file.stat().st_mtime_ns == times[file] for file in files if file != files[1])


def test_changed_content_and_changed_settings_are_rendered_anew(folder, cache, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "boxes")
    prepared(copy, tmp_path / "views")
    assert len(entries(tmp_path / "views")) == 4
    material = next((copy / "more").glob("green.*tl"), copy / "more" / "green.mtl")
    material.write_text("newmtl other\nKd 1 0 0\n")
    prepared(copy, tmp_path / "views")
    assert len(entries(tmp_path / "views")) == 5  # a file that .obj may refer to has changed
    prepared(copy, tmp_path / "views", extent=0.9)
    assert len(entries(tmp_path / "views")) == 9


def test_a_copy_of_a_mesh_counts_once(folder, cache, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "boxes")
    shutil.copy(copy / "red.glb", copy / "again.glb")
    data = prepared(copy, cache)
    assert len(data._train) + len(data._held_out) == 4


def test_broken_meshes_among_good_ones_are_named_and_left_out(folder, cache, tmp_path, caplog):
    copy = shutil.copytree(folder, tmp_path / "boxes")
    (copy / "torn.glb").write_bytes((copy / "red.glb").read_bytes()[:200])
    (copy / "points.obj").write_text("v 0 0 0\nv 1 0 0\n")
    (copy / "empty.ply").touch()
    (copy / "notes.txt").write_text("not a mesh")
    with caplog.at_level(logging.WARNING, logger="maquette"):
        data = prepared(copy, cache)
    for name in ("torn.glb", "points.obj", "empty.ply"):
        assert f"{name}: " in caplog.text
    assert "notes.txt" not in caplog.text and "3 of 7 meshes are left out" in caplog.text
    assert len(data._train) + len(data._held_out) == 4


def test_one_mesh_alone_is_refused_with_the_reason(folder, cache, tmp_path):
    (tmp_path / "one").mkdir()
    shutil.copy(folder / "red.glb", tmp_path / "one")
    with pytest.raises(ConfigError, match=r"one has one mesh alone: the model would learn .* add meshes"):
        prepared(tmp_path / "one", cache)
    (tmp_path / "one" / "torn.glb").touch()
    with pytest.raises(ConfigError, match=r"one mesh alone; the other 1 cannot be used"):
        prepared(tmp_path / "one", cache)


def test_an_empty_folder_is_refused_and_says_which_files_are_meshes(cache, tmp_path):
    with pytest.raises(ConfigError, match=r"no mesh that can be used; meshes end in .*\.glb"):
        prepared(tmp_path, cache)


def test_cameras_that_could_stand_inside_a_mesh_are_refused(folder):
    with pytest.raises(ValueError, match=r"distance: a camera at 0.5 may be within a mesh"):
        MeshPairs.Config(str(folder), distance=(0.5, 2.0))


@pytest.mark.slow
def test_several_processes_render_the_same_bytes_as_one(tmp_path):
    folder = tmp_path / "boxes"
    folder.mkdir()
    from maquette.export.writers import write_glb

    for number in range(16):
        write_glb(folder / f"{number}.glb", box((number / 16, 0.5, 0.5), (1.0, 0.3 + number / 40, 0.5)))
    prepared(folder, tmp_path / "one", size=16)
    prepared(folder, tmp_path / "two", size=16, workers=2)
    assert entries(tmp_path / "one") == entries(tmp_path / "two") and len(entries(tmp_path / "one")) == 16
