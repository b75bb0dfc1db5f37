"""Fine-tuning to novel views: it begins as the model it is given, learns, and saves what the prior loads."""

import dataclasses
import importlib.util
import json
import math
import shutil

import pytest
import torch
from diffusers import UNet2DConditionModel

from lamps import SIZE, Lamps, train
from maquette.config.parts import LearnerSpec, check
from maquette.data.base import Reference
from maquette.datasets.base import PosedPairs
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.learners._novel_views import view_sheet
from maquette.learners.novel_view_finetune import NovelViewFinetuneLearner, kept_conditions
from maquette.priors.base import Request
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws
from tiny_clip import saved_clip
from zero123_layouts import save_folder


@pytest.fixture(scope="module")
def variations(tmp_path_factory):
    """A tiny latent model of image variations: four input channels, and the image encoder whose embedding it takes."""
    folder = save_folder(tmp_path_factory.mktemp("variations") / "model", latent=True)
    shutil.rmtree(folder / "clip_camera_projection")
    unet = UNet2DConditionModel.from_pretrained(folder, subfolder="unet", low_cpu_mem_usage=False)
    torch.manual_seed(1)
    UNet2DConditionModel.from_config({**unet.config, "in_channels": 4}).save_pretrained(folder / "unet")
    index = json.loads((folder / "model_index.json").read_text())
    del index["clip_camera_projection"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def narrow_clip(tmp_path_factory):
    """A CLIP whose embeddings have 16 numbers; those of the others have 24."""
    return saved_clip(tmp_path_factory.mktemp("narrow-clip"), width=16, seed=2)


def build(prior, size=SIZE, **settings) -> NovelViewFinetuneLearner:
    torch.manual_seed(0)
    small = {"sample_steps": 2, "evaluated": 20, "average_decay": 0.0}
    learner = NovelViewFinetuneLearner(NovelViewFinetuneLearner.Config(str(prior), **{**small, **settings}))
    learner.build(Lamps(size))
    return learner


def test_it_begins_as_the_model_that_it_is_given(variations):
    """The oracle is the prior's own U-Net: with the input channels of the reference at zero, both predict alike."""
    learner, token = build(variations), torch.randn(2, 1, 24)
    old = UNet2DConditionModel.from_pretrained(variations, subfolder="unet", low_cpu_mem_usage=False)
    noisy, reference, t = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    ours = learner.networks.unet(torch.cat([noisy, reference], 1), t, token).sample
    torch.testing.assert_close(ours, old(noisy, t, token).sample, atol=1e-5, rtol=1e-5)


def test_a_modulated_model_begins_so_too_and_its_blocks_learn_the_token(variations):
    plain, modulated = build(variations), build(variations, modulated=True)
    noisy, t, token = torch.randn(2, 8, 8, 8), torch.tensor([10, 900]), torch.randn(2, 1, 24)
    ours = modulated.networks.unet(noisy, t, token, class_labels=token[:, 0]).sample
    torch.testing.assert_close(ours, plain.networks.unet(noisy, t, token).sample, atol=1e-6, rtol=1e-5)
    train(modulated, 2)
    assert modulated.networks.unet.class_embedding.linear_2.weight.any()


def test_a_text_prior_keeps_what_no_condition_touches_and_its_learned_variance_goes(tiny_pixel_model, tiny_clip):
    learner = build(tiny_pixel_model, image_encoder=str(tiny_clip))
    old = UNet2DConditionModel.from_pretrained(
        tiny_pixel_model, subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
    ).state_dict()
    state = learner.networks.unet.state_dict()
    assert torch.equal(state["conv_in.weight"][:, :3], old["conv_in.weight"])
    assert not state["conv_in.weight"][:, 3:].any()
    assert torch.equal(state["conv_out.weight"], old["conv_out.weight"][:3])
    assert torch.equal(state["mid_block.resnets.0.conv1.weight"], old["mid_block.resnets.0.conv1.weight"])
    assert learner.scheduler.config.prediction_type == "v_prediction"


def test_a_prior_without_an_image_encoder_is_refused_with_the_remedy(tiny_stable_diffusion):
    with pytest.raises(ConfigError, match=r"has no image encoder.* learner.image_encoder=openai/clip-vit"):
        build(tiny_stable_diffusion)


def test_a_prior_with_conditions_that_views_do_not_give_is_refused(tiny_xl, tiny_clip):
    with pytest.raises(ConfigError, match=r"takes a condition \(text_time\).*Stable Diffusion 1 or 2"):
        build(tiny_xl, image_encoder=str(tiny_clip))


@pytest.mark.parametrize("kind", ["latent", "pixel"])
def test_the_loss_falls_and_the_frozen_networks_are_in_no_checkpoint(kind, variations, tiny_pixel_model, tiny_clip):
    learner = build(variations) if kind == "latent" else build(tiny_pixel_model, image_encoder=str(tiny_clip))
    losses = train(learner, 15)
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])
    names = {name.split(".")[0] for name in learner.state_dict()}
    assert names == {"networks", "average"}
    assert not any(p.requires_grad for p in learner._frozen.encoder.parameters())


def test_an_epsilon_model_is_asked_for_the_noise_of_the_scaled_latents(variations):
    """A U-Net that returns the noise that is hidden in its input has no loss, and only then."""
    learner, pairs, draws = build(variations, drop_condition=0.0), Lamps().batch(Draws(0, 0), 3), Draws(0, 5)
    vae = learner._frozen.codec.vae
    posterior = vae.encode(pairs.target.permute(0, 3, 1, 2) * 2 - 1).latent_dist
    drawn = draws.normal("posterior", 3, 4, 8, 8)
    latents = (posterior.mean + posterior.std * drawn) * vae.config.scaling_factor

    class Answers(torch.nn.Module):
        config = learner.networks.unet.config

        def forward(self, inputs, t, token, class_labels):
            alpha_bar = learner.scheduler.alphas_cumprod[t][:, None, None, None]
            found = (inputs[:, :4] - alpha_bar.sqrt() * latents) / (1 - alpha_bar).sqrt()
            reference = vae.encode(pairs.reference.permute(0, 3, 1, 2) * 2 - 1).latent_dist.mean
            torch.testing.assert_close(inputs[:, 4:], reference)  # the mode, not scaled
            return type("Output", (), {"sample": found})

    learner.networks.unet = Answers()
    assert float(learner.loss(pairs, draws).total()) < 1e-4


def test_mixed_precision_leaves_the_latents_in_float32(variations):
    learner, pairs, draws = build(variations), Lamps().batch(Draws(0, 0), 4), Draws(0, 0)
    inputs = []
    learner.networks.unet.conv_in.register_forward_pre_hook(lambda module, args: inputs.append(args[0]))
    learner.loss(pairs, draws)
    with torch.autocast("cpu", torch.bfloat16):
        learner.loss(pairs, draws)
    assert torch.equal(*inputs)


def test_each_kind_of_dropout_has_the_rate_of_the_paper():
    embedding, picture = kept_conditions(Draws(0, 0).uniform("drop", 40_000), 0.05)
    rates = [(~embedding & picture), (~embedding & ~picture), (embedding & ~picture), (embedding & picture)]
    assert [float(rate.float().mean()) for rate in rates] == pytest.approx([0.05, 0.05, 0.05, 0.85], abs=0.005)


def test_a_dropped_embedding_leaves_the_pose(variations):
    """With a rate of a third, some examples have no embedding, others no picture, the rest neither."""
    learner, pairs, draws = build(variations, drop_condition=1 / 3), Lamps().batch(Draws(0, 0), 24), Draws(0, 0)
    turned = dataclasses.replace(pairs, target_cameras=pairs.reference_cameras)
    assert not torch.equal(learner.loss(pairs, draws).total(), learner.loss(turned, draws).total())


def test_the_projection_learns_ten_times_as_fast(variations):
    from maquette.stages.train import Train, _Training

    learner = build(variations)
    settings = {"type": "novel-view-finetune", "prior": str(variations)}
    config = Train.Config(check(LearnerSpec, settings, "", lambda key: None), None)
    groups = _Training(learner, None, config, Draws(0, 0)).groups()
    group_of = {id(p): group for group in groups for p in group.parameters}
    projection, other = learner.networks.projection.proj.weight, learner.networks.unet.conv_in.weight
    fast, slow = (
        group.factor * group.learning_rate(50, 100) for group in (group_of[id(projection)], group_of[id(other)])
    )
    assert fast == pytest.approx(10 * slow)
    assert len(group_of) == sum(p.requires_grad for p in learner.parameters())


@pytest.mark.parametrize("kind", ["latent", "pixel"])
def test_the_prior_loads_what_was_saved_and_predicts_the_same(kind, variations, tiny_pixel_model, tiny_clip, tmp_path):
    learner = build(variations) if kind == "latent" else build(tiny_pixel_model, image_encoder=str(tiny_clip))
    train(learner, 2)
    learner.half().float()  # as the file has it
    learner.save(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == "Zero123Pipeline"
    pairs, networks = Lamps().batch(Draws(0, 0), 1), learner.averaged
    prior = Zero123(Zero123.Config(path=str(tmp_path), dtype="float32", device="cpu"))
    reference = Reference(Picture.opaque(pairs.reference), pairs.reference_cameras)
    conditions = prior.condition(Request("", references=(reference,))).at(pairs.target_cameras)
    noisy, t = torch.rand_like(prior.encode(pairs.reference)), torch.tensor([700])
    noise = prior.predict(noisy, t, conditions, pairs.target_cameras)["positive"]
    token = networks.projection(learner._frozen.encoder(pairs.reference), pairs.pose)
    output = networks.unet(torch.cat([noisy, learner._frozen.picture(pairs.reference)], 1), t, token).sample
    expected = learner.schedule.epsilon(output, noisy, t)
    torch.testing.assert_close(noise, expected, atol=2e-2 if kind == "latent" else 1e-3, rtol=1e-2)


def test_it_goes_on_from_its_own_export(variations, tmp_path):
    learner = build(variations)
    train(learner, 2)
    learner.save(tmp_path)
    again, known = build(tmp_path), learner.averaged.state_dict()
    assert all(torch.equal(value.half(), known[name].half()) for name, value in again.networks.state_dict().items())


def test_evaluation_names_its_figures_and_the_sheet_shows_reference_samples_and_truth(variations):
    learner = build(variations)
    figures = learner.evaluate(Lamps(), Draws(0, 0))
    assert {"held-out loss", "psnr", "psnr of the input", "psnr at the input view"} <= set(figures)
    assert all(math.isfinite(value) for value in figures.values())
    assert learner.sample_sheet(Lamps(), Draws(0, 0)).shape == (8 * 18, 9 * 18, 3)


def test_the_sheet_of_novel_views_has_a_row_for_each_object_there_is():
    class OneLamp(Lamps):
        def sample_pairs(self, objects, targets):
            return self.batch(Draws(0, 0), targets)

    sheet = view_sheet(lambda reference, pose, draws: 1 - reference, OneLamp(), Draws(0, 0))
    assert sheet.shape == (18, 9 * 18, 3)


def test_recomputed_activations_give_the_same_gradients(variations):
    gradients = []
    for recompute in (False, True):
        learner = build(variations, recompute=recompute)
        learner.train()
        learner.loss(Lamps().batch(Draws(0, 0), 2), Draws(0, 0)).total().backward()
        gradients.append(learner.networks.unet.conv_in.weight.grad)
    torch.testing.assert_close(*gradients)


def test_pairs_of_the_same_object_are_told_apart_by_the_reference(variations):
    learner, pairs, draws = build(variations, drop_condition=0.0), Lamps().batch(Draws(0, 0), 4), Draws(0, 0)
    torch.nn.init.normal_(learner.networks.unet.conv_in.weight)
    other = PosedPairs(1 - pairs.reference, pairs.target, pairs.reference_cameras, pairs.target_cameras)
    assert not torch.equal(learner.loss(pairs, draws).total(), learner.loss(other, draws).total())


@pytest.mark.skipif(importlib.util.find_spec("peft") is not None, reason="peft is installed")
def test_lora_without_peft_says_what_to_install(variations):
    with pytest.raises(ValueError, match=r'lora_rank: LoRA adapters need peft: pip install "maquette\[lora\]"'):
        NovelViewFinetuneLearner.Config(str(variations), lora_rank=4)


@pytest.mark.parametrize("kind", ["latent", "pixel"])
def test_the_prior_runs_at_the_size_that_the_model_was_trained_at(
    kind, variations, tiny_pixel_model, tiny_clip, tmp_path
):
    encoder = {} if kind == "latent" else {"image_encoder": str(tiny_clip)}
    learner = build(variations if kind == "latent" else tiny_pixel_model, size=24, **encoder)
    learner.save(tmp_path)
    prior = Zero123(Zero123.Config(path=str(tmp_path), dtype="float32", device="cpu"))
    assert prior.size == 24  # both begin at 16
    assert prior.encode(torch.zeros(1, 24, 24, 3)).shape[-1] == (12 if kind == "latent" else 24)


def test_pictures_that_the_autoencoder_does_not_divide_are_refused_with_the_remedy(variations):
    with pytest.raises(ConfigError, match=r"dataset\.size: .* by 2, .* side of 17 .* multiple of 2, such as 18"):
        build(variations, size=17)


def test_an_image_encoder_of_another_width_begins_a_projection_anew(variations, narrow_clip, tmp_path):
    build(variations).save(tmp_path)
    learner = build(tmp_path, image_encoder=str(narrow_clip))
    assert learner.networks.projection.width == 16
    assert all(math.isfinite(loss) for loss in train(learner, 1))


def test_an_image_encoder_that_a_modulated_prior_cannot_take_is_refused_by_key(variations, narrow_clip, tmp_path):
    build(variations, modulated=True).save(tmp_path)
    with pytest.raises(ConfigError, match=r"learner\.image_encoder: .* embedding of 24 numbers, .* gives 16"):
        build(tmp_path, image_encoder=str(narrow_clip))
