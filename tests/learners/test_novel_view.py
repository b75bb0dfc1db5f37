"""The small Zero-1-to-3: learns, samples, measures itself, and is saved in the ports' layout."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from lamps import SIZE, Lamps, train
from maquette.data.base import Reference
from maquette.datasets.base import PosedPairs
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.learners._novel_views import held_out_figures
from maquette.learners.novel_view import NovelViewLearner, mean_by_azimuth_change, psnr
from maquette.priors.base import Request
from maquette.priors.zero123.projection import CameraProjection
from maquette.priors.zero123.zero123 import Zero123
from maquette.randomness import Draws


@pytest.fixture
def learner(tiny_clip):
    torch.manual_seed(0)
    config = NovelViewLearner.Config(
        size=SIZE, widths=(16, 32), attention_levels=1, image_encoder=str(tiny_clip), sample_steps=2, evaluated=24,
        average_decay=0.0,
    )  # fmt: skip
    learner = NovelViewLearner(config)
    learner.build(Lamps())
    return learner


def test_the_loss_falls_and_the_image_encoder_stays(learner):
    before = [p.clone() for p in learner.encoder.parameters()]
    losses = train(learner, 20)
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert all(torch.equal(a, b) for a, b in zip(before, learner.encoder.parameters(), strict=True))


def test_without_condition_neither_reference_nor_pose_matters(learner):
    config = NovelViewLearner.Config(**{**learner.config.__dict__, "drop_condition": 1.0})
    blind = NovelViewLearner(config)
    blind.build(Lamps())
    pairs, draws = Lamps().batch(Draws(0, 0), 4), Draws(0, 0)
    other = PosedPairs(1 - pairs.reference, pairs.target, pairs.target_cameras, pairs.reference_cameras)
    assert torch.equal(blind.loss(pairs, draws).total(), blind.loss(other, draws).total())
    assert not torch.equal(learner.loss(pairs, draws).total(), learner.loss(other, draws).total())


def test_saved_files_are_those_of_the_diffusers_ports(learner, tmp_path):
    from diffusers import DDPMScheduler, UNet2DConditionModel
    from transformers import CLIPVisionModelWithProjection

    train(learner, 2)
    weight = learner.average.module.projection.proj.weight.clone()
    learner.save(tmp_path)
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == "Zero123Pipeline"
    unet = UNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet", low_cpu_mem_usage=False)
    assert (unet.config.in_channels, unet.config.out_channels, unet.config.cross_attention_dim) == (6, 3, 24)
    assert DDPMScheduler.from_pretrained(tmp_path, subfolder="scheduler").config.prediction_type == "v_prediction"
    encoder = CLIPVisionModelWithProjection.from_pretrained(tmp_path, subfolder="image_encoder")
    assert encoder(pixel_values=torch.zeros(1, 3, 8, 8).to(encoder.dtype)).image_embeds.shape == (1, 24)
    assert json.loads((tmp_path / "feature_extractor" / "preprocessor_config.json").read_text())["size"]["height"] == 8
    place = tmp_path / "clip_camera_projection"
    facts = json.loads((place / "config.json").read_text())
    assert (facts["embedding_dim"], facts["additional_embeddings"]) == (24, 4)
    state = load_file(place / "diffusion_pytorch_model.safetensors")
    assert state["proj.weight"].shape == (24, 28) and state["proj.bias"].dtype == torch.float16
    torch.testing.assert_close(CameraProjection.load(tmp_path).proj.weight, weight, atol=1e-3, rtol=1e-3)


def test_it_begins_with_what_an_image_model_knows(learner, tiny_pixel_model):
    from diffusers import UNet2DConditionModel

    config = NovelViewLearner.Config(**{**learner.config.__dict__, "start": str(tiny_pixel_model)})
    begun = NovelViewLearner(config)
    begun.build(Lamps())
    fresh = begun.networks.unet.state_dict()
    old = UNet2DConditionModel.from_pretrained(
        tiny_pixel_model, subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
    ).state_dict()
    assert torch.equal(fresh["conv_in.weight"][:, :3], old["conv_in.weight"])
    assert not fresh["conv_in.weight"][:, 3:].any()
    assert torch.equal(fresh["conv_out.weight"], old["conv_out.weight"][:3])
    assert torch.equal(fresh["mid_block.resnets.0.conv1.weight"], old["mid_block.resnets.0.conv1.weight"])


def test_a_start_of_other_sizes_is_refused_by_name(learner, tiny_pixel_model):
    config = {**learner.config.__dict__, "start": str(tiny_pixel_model), "widths": (16, 32, 32)}
    with pytest.raises(ConfigError, match=r"cannot start with the U-Net of .* widths, layers and attention_levels"):
        NovelViewLearner(NovelViewLearner.Config(**config)).build(Lamps())


def test_it_goes_on_from_its_own_export(learner, tmp_path):
    train(learner, 1)
    learner.save(tmp_path)
    config = NovelViewLearner.Config(**{**learner.config.__dict__, "start": str(tmp_path)})
    again = NovelViewLearner(config)
    again.build(Lamps())
    known = learner.average.module.state_dict()
    assert all(torch.equal(value.half(), known[name].half()) for name, value in again.networks.state_dict().items())


def test_the_prior_predicts_what_a_modulated_model_learnt(learner, tmp_path):
    config = NovelViewLearner.Config(**{**learner.config.__dict__, "modulated": True, "shift": 3.0})
    modulated = NovelViewLearner(config)
    modulated.build(Lamps())
    train(modulated, 3)
    modulated.half().float()  # as the file has it
    modulated.save(tmp_path)
    pairs, networks = Lamps().batch(Draws(0, 0), 1), modulated.average.module
    prior = Zero123(Zero123.Config(path=str(tmp_path), dtype="float32", device="cpu"))
    reference = Reference(Picture.opaque(pairs.reference), pairs.reference_cameras)
    told = prior.condition(Request("", references=(reference,)))
    noisy, t = torch.rand(1, 3, SIZE, SIZE), torch.tensor([700])
    found = prior.predict(noisy, t, told.at(pairs.target_cameras), pairs.target_cameras)["positive"]
    token = networks.projection(modulated.encoder(pairs.reference), pairs.pose)
    beside = pairs.reference.permute(0, 3, 1, 2) * 2 - 1
    velocity = networks.unet(torch.cat([noisy, beside], 1), t, token, class_labels=token[:, 0]).sample
    alpha, sigma = prior.noise_schedule.alpha_sigma(t)
    torch.testing.assert_close(found, alpha * velocity + sigma * noisy, atol=1e-4, rtol=1e-4)


def test_evaluation_names_its_figures_and_the_sheet_shows_reference_samples_and_truth(learner):
    figures = learner.evaluate(Lamps(), Draws(0, 0), chunk=16)
    assert {"held-out velocity", "psnr", "psnr of the input", "psnr 0-60", "psnr at the input view"} <= set(figures)
    assert all(math.isfinite(value) for value in figures.values())
    assert learner.sample_sheet(Lamps(), Draws(0, 0)).shape == (8 * (SIZE + 2), 9 * (SIZE + 2), 3)


def test_psnr_agrees_with_scikit_image():
    from skimage.metrics import peak_signal_noise_ratio

    pictures = torch.rand(2, 3, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    ours = psnr(*pictures)
    theirs = [peak_signal_noise_ratio(b.numpy(), a.numpy(), data_range=1.0) for a, b in zip(*pictures, strict=True)]
    assert ours.tolist() == pytest.approx(theirs, abs=1e-4)


def test_a_range_of_turns_without_pairs_has_no_mean():
    figures = mean_by_azimuth_change(torch.tensor([10.0, 20.0]), torch.tensor([5.0, 59.0]), "psnr")
    assert figures["psnr 0-60"] == 15.0 and math.isnan(figures["psnr 120-180"])


def test_a_smaller_last_chunk_of_pairs_counts_by_its_size():
    def size(pairs, draws):
        return torch.tensor(float(len(pairs.pose)))

    figures = held_out_figures(size, lambda reference, pose, draws: reference, Lamps(), Draws(0, 0), 5, chunk=4)
    assert figures["held-out velocity"] == pytest.approx((4 * 4 + 1 * 1) / 5)


def test_a_start_without_a_unet_is_refused_by_key(learner, tmp_path):
    config = {**learner.config.__dict__, "start": str(tmp_path)}
    with pytest.raises(ConfigError, match=r"learner\.start: cannot load unet"):
        NovelViewLearner(NovelViewLearner.Config(**config)).build(Lamps())
