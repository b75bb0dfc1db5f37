"""Depth estimators in transformers' layout: what they see is what transformers itself makes of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessorPil,
)

from maquette.errors import ConfigError
from maquette.perception.estimator import Estimator

SIDE = 32
PROCESSOR = DPTImageProcessorPil(
    size={"height": SIDE, "width": SIDE}, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4]
)
BYTES = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
PICTURE = torch.from_numpy(BYTES)[None].float() / 255


def dpt(folder: Path) -> Path:
    torch.manual_seed(0)
    config = DPTConfig(
        image_size=SIDE, patch_size=16, hidden_size=16, intermediate_size=32, num_hidden_layers=4,
        num_attention_heads=2, backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, initializer_range=0.2,
    )  # fmt: skip
    return saved(DPTForDepthEstimation(config), folder)


def depth_anything(folder: Path, kind: str) -> Path:
    torch.manual_seed(0)
    backbone = Dinov2Config(
        image_size=SIDE, patch_size=8, hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
        out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, patch_size=8, reassemble_hidden_size=16, neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8, head_hidden_size=8,
        depth_estimation_type=kind, max_depth=10 if kind == "metric" else 1,
    )  # fmt: skip
    return saved(DepthAnythingForDepthEstimation(config), folder)


def saved(network, folder: Path) -> Path:
    network.save_pretrained(folder)
    PROCESSOR.save_pretrained(folder)
    return folder


def by_transformers(cls, folder: Path) -> torch.Tensor:
    network = cls.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        output = network(**PROCESSOR(images=Image.fromarray(BYTES), return_tensors="pt"))
    return PROCESSOR.post_process_depth_estimation(output, [(SIDE, SIDE)])[0]["predicted_depth"]


def test_a_dpt_sees_what_it_sees_in_transformers(tmp_path):
    found = Estimator(str(dpt(tmp_path))).estimate(PICTURE)
    assert found.normal is None and found.nearness.std() > 1e-3
    torch.testing.assert_close(found.nearness[0, ..., 0], by_transformers(DPTForDepthEstimation, tmp_path))


@pytest.mark.parametrize(("kind", "sign"), [("relative", 1), ("metric", -1)])
def test_what_is_near_is_large_whether_a_model_gives_distances_or_their_inverse(kind, sign, tmp_path):
    found = Estimator(str(depth_anything(tmp_path, kind))).estimate(PICTURE)
    theirs = by_transformers(DepthAnythingForDepthEstimation, tmp_path)
    torch.testing.assert_close(found.nearness[0, ..., 0], sign * theirs)


def test_pictures_of_any_size_come_back_in_their_own(tmp_path):
    estimator = Estimator(str(dpt(tmp_path)))
    assert estimator.estimate(torch.rand(2, 50, 50, 3)).nearness.shape == (2, 50, 50, 1)


def test_weights_that_published_files_leave_out_are_not_missed_and_others_are(tmp_path):
    file = dpt(tmp_path) / "model.safetensors"
    tensors = load_file(file)
    whole = Estimator(str(tmp_path)).estimate(PICTURE)
    unused = "neck.fusion_stage.layers.0.residual_layer1."
    save_file({name: t for name, t in tensors.items() if not name.startswith(unused)}, file, {"format": "pt"})
    torch.testing.assert_close(Estimator(str(tmp_path)).estimate(PICTURE).nearness, whole.nearness)
    save_file({name: t for name, t in tensors.items() if not name.startswith("head.")}, file, {"format": "pt"})
    with pytest.raises(ConfigError, match=r"data\.estimator: .* 6 missing \(head\.head\.0\.bias"):
        Estimator(str(tmp_path))


def test_a_model_of_another_kind_is_refused(tmp_path):
    AutoConfig.for_model("clip").save_pretrained(tmp_path)
    PROCESSOR.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"cannot load a depth estimator from .* give a plugin's weights"):
        Estimator(str(tmp_path))


def test_settings_of_older_files_name_the_side_alone(tmp_path):
    settings = json.loads((dpt(tmp_path) / "preprocessor_config.json").read_text())
    before = Estimator(str(tmp_path)).estimate(PICTURE).nearness
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**settings, "size": SIDE}))
    torch.testing.assert_close(Estimator(str(tmp_path)).estimate(PICTURE).nearness, before)
