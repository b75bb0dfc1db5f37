"""LoRA adapters: what they train, and that the merged network is the adapted one; needs peft."""

import pytest
import torch
from diffusers import UNet2DConditionModel

pytest.importorskip("peft")

from maquette.learners._adapters import add_adapters, merged


@pytest.fixture
def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(16, 32), layers_per_block=1,
        norm_num_groups=8, cross_attention_dim=24, attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )  # fmt: skip


def predicted(unet):
    torch.manual_seed(1)
    return unet(torch.randn(2, 4, 8, 8), torch.tensor([1, 500]), torch.randn(2, 1, 24)).sample


def test_adapters_begin_without_effect_and_are_all_that_is_trained_besides_what_is_new(unet):
    before = predicted(unet)
    name = "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    add_adapters(unet, 2, [name])
    torch.testing.assert_close(predicted(unet), before, atol=1e-6, rtol=1e-5)
    trained = {name for name, parameter in unet.named_parameters() if parameter.requires_grad}
    assert {"conv_in.weight", "conv_in.bias", name} <= trained
    assert all("lora" in other for other in trained - {"conv_in.weight", "conv_in.bias", name})
    assert any("attn1.to_out.0.lora_B" in other for other in trained)


def test_the_merged_network_is_plain_and_predicts_as_the_adapted_one(unet):
    names = set(unet.state_dict())
    add_adapters(unet, 2, [])
    for name, parameter in unet.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    plain = merged(unet)
    assert set(plain.state_dict()) == names
    torch.testing.assert_close(predicted(plain), predicted(unet), atol=1e-5, rtol=1e-4)


def test_the_learner_trains_adapters_and_saves_a_folder_that_the_prior_loads(tmp_path, tiny_pixel_model, tiny_clip):
    from lamps import Lamps
    from maquette.learners.novel_view_finetune import NovelViewFinetuneLearner
    from maquette.priors.zero123.zero123 import Zero123
    from maquette.randomness import Draws

    learner = NovelViewFinetuneLearner(
        NovelViewFinetuneLearner.Config(str(tiny_pixel_model), str(tiny_clip), lora_rank=2)
    )
    learner.build(Lamps())
    learner.loss(Lamps().batch(Draws(0, 0), 2), Draws(0, 0)).total().backward()
    assert not any(p.grad is not None and not p.requires_grad for p in learner.parameters())
    learner.save(tmp_path)
    prior = Zero123(Zero123.Config(path=str(tmp_path), dtype="float32", device="cpu"))
    assert not [name for name in prior.unet.state_dict() if "lora" in name]
