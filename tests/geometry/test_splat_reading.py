"""Gaussians in files arrive with colour, opacity, scale and rotation."""

import logging

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from maquette.errors import ConfigError
from maquette.export.splats import write_splat, write_splat_ply
from maquette.geometry.gaussians import Gaussians
from maquette.geometry.splat_cloud import SplatCloud
from maquette.geometry.splat_reading import holds_splats, inspect_splats
from maquette.kernels.splatting.harmonics import harmonic_basis


def cloud(count=50, degree=0, seed=0):
    numbers = np.random.default_rng(seed)
    harmonics = numbers.uniform(-0.5, 0.5, (count, (degree + 1) ** 2, 3))
    harmonics[:, 1:] *= 0.2
    return SplatCloud(
        numbers.uniform(-0.5, 0.5, (count, 3)), Rotation.random(count, rng=0).as_quat()[:, [3, 0, 1, 2]],
        numbers.uniform(0.01, 0.1, (count, 3)), numbers.uniform(0.1, 0.9, count), harmonics,
    )  # fmt: skip


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_what_we_write_comes_back(tmp_path, degree):
    source = cloud(degree=degree)
    loaded = inspect_splats(write_splat_ply(tmp_path / "a.ply", source))
    for name in ("means", "quaternions", "scales", "opacities", "harmonics"):
        np.testing.assert_allclose(getattr(loaded.value, name), getattr(source, name), atol=1e-6)
    assert loaded.facts["degree"] == degree and not loaded.ignored and not loaded.warnings


def test_splat_files_come_back_within_their_bytes(tmp_path):
    source = cloud()
    found = inspect_splats(write_splat(tmp_path / "a.splat", source)).value
    order = np.argsort(-source.scales.prod(axis=1) * source.opacities, kind="stable")
    np.testing.assert_allclose(found.means, source.means[order], atol=1e-6)
    np.testing.assert_allclose(found.scales, source.scales[order], atol=1e-6)
    np.testing.assert_allclose(found.opacities, source.opacities[order], atol=2e-3)
    np.testing.assert_allclose(found.base_color, source.base_color[order], atol=3e-3)
    turn = Rotation.from_quat(source.quaternions[order][:, [1, 2, 3, 0]])
    error = (turn.inv() * Rotation.from_quat(found.quaternions[:, [1, 2, 3, 0]])).magnitude()
    assert error.max() < 0.03


@pytest.mark.parametrize("degree", [0, 2])
def test_a_geometry_starts_as_the_file_says(tmp_path, degree):
    source = cloud(degree=degree)
    path = write_splat_ply(tmp_path / "a.ply", source)
    made = Gaussians(Gaussians.Config(points=str(path), degree=degree, count=7)).splats()
    np.testing.assert_allclose(made.means.detach(), source.means, atol=1e-6)
    np.testing.assert_allclose(made.opacities.detach(), source.opacities, atol=1e-5)
    np.testing.assert_allclose(made.scales.detach(), source.scales, atol=1e-6)
    np.testing.assert_allclose(made.quaternions.detach(), source.quaternions, atol=1e-6)
    directions = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    basis = harmonic_basis(directions, degree)
    colors = torch.sigmoid(torch.einsum("dk,nkc->ndc", basis, made.harmonics.detach()))
    expected = (0.5 + torch.einsum("dk,nkc->ndc", basis.double(), torch.from_numpy(source.harmonics))).clamp(0.01, 0.99)
    assert float((colors - expected).abs().max()) < (1e-5 if degree == 0 else 0.02)


def test_disks_are_read(tmp_path):
    source = cloud()
    path = write_splat_ply(tmp_path / "a.ply", source)
    data = path.read_bytes()
    head, body = data.split(b"end_header\n")
    names = [line.split()[-1].decode() for line in head.split(b"\n") if line.startswith(b"property")]
    rows = np.frombuffer(body, [(name, "<f4") for name in names])
    flat = rows[[name for name in names if name != "scale_2"]].copy()
    packed = np.stack([flat[name] for name in flat.dtype.names], axis=1).astype("<f4")
    path.write_bytes(head.replace(b"property float scale_2\n", b"") + b"end_header\n" + packed.tobytes())
    loaded = inspect_splats(path)
    assert "disks" in loaded.used and (loaded.value.scales[:, 2] < 1e-5).all()
    assert Gaussians(Gaussians.Config(points=str(path), flat=True)).splats().flat


def test_gaussians_that_are_not_finite_or_outside_are_left_out_and_said(tmp_path, caplog):
    source = cloud()
    source.means[3], source.means[4], source.quaternions[5] = np.nan, 1e3, 0
    path = write_splat_ply(tmp_path / "a.ply", source)
    loaded = inspect_splats(path)
    assert len(loaded.value) == 48 and "2 of its 50 Gaussians are not finite" in loaded.warnings[0]
    with caplog.at_level(logging.WARNING):
        assert len(Gaussians(Gaussians.Config(points=str(path))).means) == 47
    assert "1 of 48 points lie beyond the bound 1" in caplog.text


def test_points_that_mostly_lie_outside_are_refused_with_the_remedy(tmp_path):
    np.savetxt(tmp_path / "a.xyz", np.random.default_rng(0).uniform(-300, 300, (50, 3)))
    with pytest.raises(ConfigError, match=r"geometry\.points: .* beyond the bound 1; they reach .*scale and centre"):
        Gaussians(Gaussians.Config(points=str(tmp_path / "a.xyz")))


def test_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write_splat_ply(tmp_path / "a.ply", cloud())
    assert len(Gaussians(Gaussians.Config(points="~/a.ply")).means) == 50


def test_harmonics_beyond_the_degree_are_said(tmp_path, caplog):
    path = write_splat_ply(tmp_path / "a.ply", cloud(degree=3))
    with caplog.at_level(logging.WARNING):
        Gaussians(Gaussians.Config(points=str(path), degree=1))
    assert "spherical harmonics beyond geometry.degree=1" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [("a.splat", b"x" * 33, "whole number of Gaussians"), ("a.splat", b"", "whole number of Gaussians"),
     ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n", "has no y")],
)  # fmt: skip
def test_broken_files(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        inspect_splats(tmp_path / name)


def test_other_ply_files_are_no_splats(tmp_path):
    path = write_splat_ply(tmp_path / "a.ply", cloud())
    assert holds_splats(path) and not holds_splats(tmp_path / "gone.ply")
    (tmp_path / "b.ply").write_text("ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n1\n")
    assert not holds_splats(tmp_path / "b.ply")


def test_an_empty_cloud_is_written(tmp_path):
    full = cloud(degree=1)
    none = SplatCloud(*(getattr(full, n)[:0] for n in ("means", "quaternions", "scales", "opacities", "harmonics")))
    assert b"element vertex 0" in write_splat_ply(tmp_path / "a.ply", none).read_bytes()
