"""Patches of a DINOv2 in the views at the cells: in the layout of its checkpoints, no part of what is trained."""

from pathlib import Path

import pytest
import torch
from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from maquette.cameras.base import orbit_cameras
from maquette.errors import ConfigError
from maquette.perception.patch_encoder import PatchEncoder
from maquette.perception.reconstructor import Architecture, Reconstructor

SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 14, "image_size": 28,
    "mlp_ratio": 2,
}  # fmt: skip


@pytest.fixture(scope="module", params=["plain", "registers"])
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("dinov2")
    if request.param == "plain":
        Dinov2Model(Dinov2Config(**SMALL)).save_pretrained(folder)
    else:
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**SMALL, num_register_tokens=3)).save_pretrained(folder)
    return str(folder)


def test_patches_lie_where_the_picture_has_them_and_whole_ones_cover_it(weights):
    encoder = PatchEncoder(weights)
    pictures = torch.full((1, 3, 32, 32), 0.5)
    plain = encoder(pictures)
    assert plain.shape == (1, 16, 3, 3) and encoder.width == 16  # 32 pixels are more than two patches of 14
    pictures[:, :, 24:, :8] = 1.0
    change = (encoder(pictures) - plain).abs().sum(dim=1)[0]
    assert change.argmax() == 6  # the last row's first


def test_a_network_with_patches_begins_as_it_was_and_learns_from_them_and_does_not_save_them(weights, tmp_path):
    cameras = orbit_cameras(torch.arange(3) * 120.0, *(v * torch.ones(3) for v in (20, 3.2, 35)), 32)
    images = torch.rand(1, 3, 32, 32, 3, generator=torch.Generator().manual_seed(0))
    sizes = {
        "resolution": 16,
        "size": 32,
        "picture_widths": (8, 8, 8),
        "features": 8,
        "widths": (8, 16),
        "blocks": (1, 1),
    }
    before, after = (Reconstructor(Architecture(**sizes, patches=patches)) for patches in ("", weights))
    after.load_state_dict(before.state_dict(), strict=False)
    torch.testing.assert_close(after(images, cameras), before(images, cameras))
    after(images, cameras).square().mean().backward()
    assert after.views.lift_patches.weight.grad.abs().sum() > 0
    assert {name for name in after.state_dict() if name not in before.state_dict()} == {
        "views.lift_patches.weight", "views.lift_patches.bias",
    }  # fmt: skip
    after.save(tmp_path)
    assert Reconstructor.load(str(tmp_path)).architecture.patches == weights


def test_another_network_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"is a clip, and no DINOv2; .*facebook/dinov2-base"):
        PatchEncoder("nano-clip")
    with pytest.raises(ConfigError, match="DINOv2"):
        PatchEncoder(str(tmp_path / "none"))
