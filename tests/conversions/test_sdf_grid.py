"""A surface becomes a field of signed distances, and the log says how near it came."""

import re

import pytest
import torch
from coloured_ball import CENTRE, RADIUS, converted, mesh_ball


def test_an_sdf_grid_that_is_hardly_trained_says_how_far_its_distances_are_off(monkeypatch, caplog):
    caplog.set_level("INFO", "maquette")
    for name, value in {"SDF_STEPS": 10, "SDF_RESOLUTION": 33, "POINTS_PER_STEP": 512}.items():
        monkeypatch.setattr(f"maquette.conversions.sdf_grid.{name}", value)
    monkeypatch.setattr("maquette.conversions._appearance.SURFACE_POINTS", 2**12)
    geometry = converted(mesh_ball(), "sdf-grid").geometry
    said = float(re.search(r"off by ([\d.e-]+) on average", caplog.text)[1])
    directions = torch.nn.functional.normalize(torch.randn(2000, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    with torch.no_grad():
        off = geometry.sdf(torch.tensor(CENTRE) + RADIUS * directions).abs().mean()
    assert said == pytest.approx(float(off), rel=0.3, abs=0.005)
