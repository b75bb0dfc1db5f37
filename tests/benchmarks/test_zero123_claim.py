"""The claim of Zero-1-to-3: what its arms start from, what it measures on, and that trainings are used again."""

import json
from types import SimpleNamespace

import measured_runs
import pytest
import torch
import zero123_claim
from diffusers import UNet2DConditionModel

from maquette.perception.clip import Clip
from maquette.weights.loading import weights_source
from maquette_nano import world
from maquette_nano.world.categories import CATEGORIES


def unet(source):
    return UNet2DConditionModel.from_pretrained(
        weights_source(str(source)), subfolder="unet", torch_dtype=torch.float32, low_cpu_mem_usage=False
    ).state_dict()


def test_the_shuffled_arm_has_the_numbers_of_each_tensor_in_another_order_and_the_scratch_arm_has_not(tmp_path):
    shuffled, scratch = (unet(zero123_claim.initial_prior(arm, 3, tmp_path)) for arm in ("shuffled", "scratch"))
    prior = unet(zero123_claim.initial_prior("nano-text", 3, tmp_path))
    name = "mid_block.resnets.0.conv1.weight"
    assert prior.keys() == shuffled.keys() == scratch.keys()
    assert not torch.equal(shuffled[name], prior[name])
    assert all(torch.equal(shuffled[name].flatten().sort()[0], prior[name].flatten().sort()[0]) for name in prior)
    assert not torch.equal(scratch[name].flatten().sort()[0], prior[name].flatten().sort()[0])


def test_measured_objects_are_of_the_test_split_and_their_categories_are_in_no_pair():
    held_out = zero123_claim.held_out_categories()
    assert len(held_out) == 4 and set(held_out) < set(CATEGORIES)
    numbers = zero123_claim.objects(held_out, 2)
    assert [world.sample_object(number, "test").category for number in numbers] == [
        name for name in held_out for _ in range(2)
    ]


def test_arms_are_compared_object_by_object_after_their_seeds_are_averaged():
    by_seed = {"nano-text": [[10.0, 20.0], [12.0, 22.0]], "scratch": [[10.0, 18.0], [10.0, 20.0]]}
    compared = zero123_claim.compared(by_seed, [9.0, 17.0])
    assert compared["arms"]["nano-text"]["mean"] == 16.0
    assert compared["differences"]["nano-text - scratch"] == {
        "mean": 1.5, "interval_95": [1.0, 2.0], "larger": 2, "of": 2,
    }  # fmt: skip


def test_true_views_are_alike_and_the_input_in_their_place_less_so():
    judge = Clip(zero123_claim.JUDGE)
    truth = zero123_claim.true_views([0])[0]
    assert zero123_claim.figures(truth[1:], truth[1:], judge)["similarity"] == pytest.approx(1, abs=1e-4)
    figures = zero123_claim.figures(truth[:1].expand_as(truth[1:]), truth[1:], judge)
    assert 5 < figures["psnr"] < 30 and figures["similarity"] < 0.99


@pytest.mark.claims
def test_a_tiny_claim_is_trained_once_and_measured_again_from_what_is_there(tmp_path, monkeypatch):
    words = [f"stages.views.{word}" for word in (
        "batch=2", "dataset.objects=8", "dataset.held_out_objects=4", "dataset.workers=1", "learner.evaluated=2",
        "learner.sample_steps=1", f"dataset.cache={tmp_path / 'cache'}",
    )]  # fmt: skip
    size = {"steps": 1, "seeds": 1, "each": 1, "others_each": 1, "sampler_steps": 1, "words": words}
    zero123_claim.main(**size, folder=tmp_path / "runs", results=tmp_path / "results", only_train=False)
    first = (tmp_path / "results" / "zero123-claim.json").read_text()
    monkeypatch.setattr(zero123_claim, "sampled", lambda *what: pytest.fail(f"it samples {what}"))
    nothing = SimpleNamespace(run=lambda *command, **settings: pytest.fail(f"it runs {command}"))
    monkeypatch.setattr(measured_runs, "subprocess", nothing)
    zero123_claim.main(**size, folder=tmp_path / "runs", results=tmp_path / "again", only_train=False)
    again = (tmp_path / "again" / "zero123-claim.json").read_text()
    ours, theirs = json.loads(first), json.loads(again)
    assert set(ours["on held-out categories"]) == {"objects", "psnr", "similarity"}
    assert ours["on held-out categories"] == theirs["on held-out categories"]
    assert (tmp_path / "results" / "zero123-claim.png").is_file()
