"""The parts of the kind stereo: frames of any size, full resolution, and depth networks of transformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deep3d_shapes import SMALL
from maquette.config.parts import part
from maquette.errors import ConfigError
from maquette.perception.network_folder import save_network
from maquette.stereo.base import Depth3D
from maquette.stereo.crops import working_size
from maquette.stereo.network import Architecture, MultiScaleNetwork

NEUTRAL = Depth3D()


def weights(folder: Path, purpose: str, bias: list[float] | None = None) -> str:
    """A small network; with a bias its last convolution gives these numbers everywhere."""
    torch.manual_seed(0)
    network = MultiScaleNetwork(Architecture(**{**vars(SMALL), "purpose": purpose}))
    if bias is not None:
        torch.nn.init.zeros_(network.convolution0.weight)
        network.convolution0.bias.data = torch.tensor(bias)
    save_network(network, network.architecture, folder / purpose)
    return str(folder / purpose)


@pytest.mark.parametrize("shape", [(90, 160), (33, 200), (101, 57), (20, 30)])
def test_deep3d_takes_frames_of_any_size(tmp_path: Path, shape):
    maker = part("stereo", "deep3d", weights=weights(tmp_path, "selection")).build()
    left = torch.rand(2, *shape, 3, generator=torch.Generator().manual_seed(0))
    view = maker.estimate(left).right_view(left, NEUTRAL)
    assert view.rgb.shape == left.shape and view.shift.abs().max() <= 1 / 72 + 1e-6


def test_deep3d_shifts_the_frame_at_its_full_resolution(tmp_path: Path):
    """A certain shift of one column of 72 is one of five columns of 360, without any blur."""
    maker = part("stereo", "deep3d", weights=weights(tmp_path, "selection", [-30.0, -30.0, -30.0, 30.0])).build()
    left = torch.rand(1, 200, 360, 3, generator=torch.Generator().manual_seed(0))
    view = maker.estimate(left).right_view(left, NEUTRAL)
    torch.testing.assert_close(view.rgb[:, :, 5:], left[:, :, :-5])


def test_shifts_of_a_wide_frame_are_fractions_of_its_own_width(tmp_path: Path):
    """At the height of a crop, a frame of 4:1 has more columns than training frames, and one of its columns is less."""
    maker = part("stereo", "deep3d", weights=weights(tmp_path, "selection", [-30.0, -30.0, -30.0, 30.0])).build()
    left = torch.rand(1, 80, 320, 3, generator=torch.Generator().manual_seed(0))
    columns = working_size(80, 320, SMALL)[1]
    assert columns > SMALL.frame[1]
    shift = maker.estimate(left).right_view(left, NEUTRAL).shift
    torch.testing.assert_close(shift, torch.full_like(shift, 1 / columns))


def test_direct_regression_gives_colours_without_shifts(tmp_path: Path):
    maker = part("stereo", "direct-regression", weights=weights(tmp_path, "direct", [0.25, 0.0, -0.25])).build()
    left = torch.rand(1, 80, 144, 3)
    view = maker.estimate(left).right_view(left, NEUTRAL)
    expected = torch.tensor([0.75, 0.5, 0.25]).expand_as(left)
    torch.testing.assert_close(view.rgb, expected, rtol=0, atol=1e-3)
    assert view.shift is None


def test_depth_then_warp_takes_the_learners_network(tmp_path: Path):
    maker = part("stereo", "depth-then-warp", weights=weights(tmp_path, "depth", [2.0])).build()
    left = torch.rand(1, 80, 144, 3)
    view = maker.estimate(left).right_view(left, NEUTRAL)
    torch.testing.assert_close(view.rgb[:, :, 4:], left[:, :, :-4], rtol=0, atol=1e-3)


def depth_network(folder: Path) -> str:
    """A tiny random DPT in transformers' layout."""
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    torch.manual_seed(0)
    config = DPTConfig(
        image_size=32, patch_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=4,
        num_attention_heads=2, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, initializer_range=0.2,
    )  # fmt: skip
    DPTForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(
        folder
    )
    return str(folder)


def test_depth_then_warp_takes_any_depth_network_of_transformers(tmp_path: Path):
    maker = part("stereo", "depth-then-warp", weights=depth_network(tmp_path), near=-0.05, far=0.03, size=32).build()
    frame = np.random.default_rng(0).random((1, 60, 100, 3)).astype(np.float32)
    left = torch.from_numpy(frame)
    estimate = maker.estimate(left)
    assert estimate.values.shape == (1, 1, 32, 32)
    assert float(estimate.values.min()) == pytest.approx(-0.05, abs=1e-6)
    assert float(estimate.values.max()) == pytest.approx(0.03, abs=1e-6)
    view = estimate.right_view(left, NEUTRAL)
    assert view.rgb.shape == left.shape and view.rgb.isfinite().all()
    assert view.shift.min() >= -0.05 - 1e-6 and view.shift.max() <= 0.03 + 1e-6


def test_weights_for_another_part_are_refused_by_name(tmp_path: Path):
    folder = weights(tmp_path, "direct")
    with pytest.raises(ConfigError, match=r"stereo\.weights.*is a network for direct, and selection is needed"):
        part("stereo", "deep3d", weights=folder).build()
