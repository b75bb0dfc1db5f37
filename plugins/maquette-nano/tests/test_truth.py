"""Nano objects as the truth of cases: a surface and pictures of the same object."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from maquette.config.parts import check
from maquette.meshes.health import mesh_health
from maquette.metrics.base import Case
from maquette.metrics.clip_similarity import ClipSimilarity
from maquette.metrics.subjects import TrueSubject, mesh_scene
from maquette_nano import world
from maquette_nano.truth import NanoTruth, true_mesh


@pytest.fixture(scope="module")
def truth() -> NanoTruth:
    data = {"prompt": "", "truth": {"type": "nano-object", "number": 3, "views": 4, "size": 32, "resolution": 64}}
    return check(Case, data, "cases.0", lambda key: None).build_truth()


def test_the_true_surface_is_closed_outward_and_the_zero_set_of_the_distance(truth):
    mesh = truth.surface()
    health = mesh_health(mesh)
    assert health.watertight and health.outward
    assert np.abs(world.sample_object(3, "test").sdf(mesh.vertices)).max() < 0.02


def test_points_of_the_true_surface_fall_into_the_true_silhouettes(truth):
    views, vertices = truth.views(), truth.surface().vertices
    assert views.split == ("test",) * 4 and views.picture.size == (32, 32)
    import torch

    clip = views.cameras.clip_positions(torch.from_numpy(vertices), 0.1, 10)
    flat = (clip[..., :2] / clip[..., 3:] * torch.tensor([1.0, -1.0]) + 1) * 16
    columns, rows = flat.long().clamp(0, 31).unbind(-1)
    covered = views.picture.alpha[torch.arange(4)[:, None], rows, columns, 0] > 0
    assert covered.float().mean() > 0.98


def test_pictures_are_lit_or_plain(truth):
    data = {"type": "nano-object", "number": 3, "views": 4, "size": 32, "lit": False}
    plain = check(Case, {"prompt": "", "truth": data}, "cases.0", lambda key: None).build_truth().views()
    lit = truth.views()
    assert plain.picture.alpha.equal(lit.picture.alpha) and not plain.picture.color.equal(lit.picture.color)


def test_it_draws_itself_lit_from_any_square_camera(truth):
    views = truth.views()
    assert truth.pictures(views.cameras).color.equal(views.picture.color)
    wide = dataclasses.replace(views.cameras, width=48)
    assert truth.pictures(wide) is None
    encoder = ClipSimilarity(ClipSimilarity.Config(scorer="nano-clip"))
    seen = encoder(TrueSubject(truth), Case(world.sample_object(3, "test").caption())).values["text"]
    unlit = encoder(mesh_scene(truth.surface()), Case(world.sample_object(3, "test").caption())).values["text"]
    assert seen > unlit  # the encoder has learnt from lit pictures


def test_a_finer_true_mesh_has_more_faces():
    obj = world.sample_object(3, "test")
    assert len(true_mesh(obj, 64).faces) > 3 * len(true_mesh(obj, 32).faces)
