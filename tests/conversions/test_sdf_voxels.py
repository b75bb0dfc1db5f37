"""A mesh becomes a plain grid of distances about it."""

import pytest
import torch
from coloured_ball import CENTRE, RADIUS, mesh_ball, scene

from maquette.conversions import convert
from maquette.geometry.sdf_voxels import SDFVoxels
from maquette.randomness import Draws


def test_a_ball_becomes_sdf_voxels_where_it_is(monkeypatch):
    monkeypatch.setattr("maquette.conversions.sdf_voxels.SAMPLES", 41)  # 129 take four seconds
    target = scene(SDFVoxels(SDFVoxels.Config(levels=(32,))))
    convert(mesh_ball(), target, Draws(0, 0))
    away = (target.geometry.mesh().vertices.detach() - torch.tensor(CENTRE)).norm(dim=-1)
    assert float((away - RADIUS).abs().max()) < 0.01
    assert float(away.mean()) == pytest.approx(RADIUS, abs=0.005)
