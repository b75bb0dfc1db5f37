"""Splat files hold what their formats say, and read back to the picture that the scene shows."""

import numpy as np
import pytest
import torch
import trimesh

from maquette.backgrounds.solid import Solid
from maquette.errors import RunError
from maquette.export.exporters.splats import SplatsExporter
from maquette.export.splats import write_splat, write_splat_ply
from maquette.geometry.gaussians import Gaussians
from maquette.geometry.splat_cloud import SplatCloud
from maquette.kernels.splatting import HARMONIC_0, spherical_harmonics
from maquette.materials.plain import Plain
from maquette.renderers.splat import Splat
from maquette.scene import Scene, Viewpoint


def scene(degree: int, count: int = 20) -> Scene:
    torch.manual_seed(0)
    geometry = Gaussians(Gaussians.Config(count=count, degree=degree))
    geometry.features.data.normal_()
    geometry.harmonics.data.normal_(std=0.2)
    geometry.rotations.data.normal_()
    geometry.scales.data += torch.randn_like(geometry.scales) / 3
    geometry.opacities.data.normal_(std=2)
    return Scene(geometry, Plain(Plain.Config()), Solid(Solid.Config()), Splat(Splat.Config(), 1.0), Viewpoint())


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_the_ply_reads_back_in_an_independent_library(degree, tmp_path):
    made = scene(degree)
    cloud = made.splats(0.0)
    data = trimesh.load(write_splat_ply(tmp_path / "splats.ply", cloud)).metadata["_ply_raw"]["vertex"]["data"]
    splats = made.geometry.splats()
    assert np.allclose(np.stack([data[k] for k in "xyz"], 1).squeeze(), splats.means.detach())
    assert np.allclose(np.exp(data["scale_2"]).squeeze(), splats.scales[:, 2].detach(), rtol=1e-5)
    assert np.allclose(1 / (1 + np.exp(-data["opacity"])).squeeze(), splats.opacities.detach(), atol=1e-5)
    assert f"f_rest_{3 * ((degree + 1) ** 2 - 1) - 1}" in data.dtype.names or degree == 0
    if degree:  # channel by channel: the second harmonic of green stands behind all of red's
        second_of_green = data[f"f_rest_{(degree + 1) ** 2 - 1}"].squeeze()
        assert np.allclose(second_of_green, cloud.harmonics[:, 1, 1])


def test_harmonics_show_the_colours_of_the_scene():
    made = scene(1)
    cloud, splats = made.splats(0.0), made.geometry.splats()
    direction = torch.tensor([[0.3, -0.5, 0.8]]).expand(len(splats), 3)
    shown = torch.sigmoid(spherical_harmonics(direction, splats.harmonics, 1)).detach()
    read = spherical_harmonics(direction, torch.from_numpy(cloud.harmonics), 1) + 0.5
    assert float((shown - read).abs().max()) < 0.03
    assert np.allclose(
        scene(0).splats(0.0).base_color,
        torch.sigmoid(scene(0).geometry.features[:, 0] * HARMONIC_0).detach(),
        atol=1e-5,
    )


def test_the_splat_file_is_32_bytes_each_and_the_heaviest_first(tmp_path):
    small, large = np.full((1, 3), 0.01, np.float32), np.full((1, 3), 0.1, np.float32)
    cloud = SplatCloud(
        np.array([[1.0, 2, 3], [4, 5, 6]], np.float32), np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]], np.float32),
        np.concatenate([small, large]), np.array([0.5, 1.0]), np.array([[[1, -1, 0]], [[0, 0, 0]]]) * 0.5 / HARMONIC_0,
    )  # fmt: skip
    content = write_splat(tmp_path / "a.splat", cloud).read_bytes()
    assert len(content) == 64
    assert np.frombuffer(content[:24], "<f4").tolist() == pytest.approx([4, 5, 6, 0.1, 0.1, 0.1])
    assert list(content[24:32]) == [128, 128, 128, 255, 128, 255, 128, 128]
    assert list(content[56:60]) == [255, 0, 128, 128]


def test_faint_ones_are_left_out_and_other_scenes_refused(tmp_path, subject):
    made = scene(0)
    kept = int((made.geometry.splats().opacities > 0.5).sum())
    exporter = SplatsExporter(SplatsExporter.Config(formats=("splat",), min_opacity=0.5))
    (path,) = exporter(made, tmp_path)
    assert path.stat().st_size == 32 * kept
    with pytest.raises(RunError, match="no Gaussians"):
        exporter(subject, tmp_path)
