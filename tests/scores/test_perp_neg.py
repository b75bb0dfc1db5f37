"""Perp-Neg takes off what of a negative is perpendicular to what is wanted, and nothing else."""

import math

import pytest
import torch

from maquette.priors.base import Request
from maquette.priors.text.conditions import TextConditions, ViewPrompts
from maquette.priors.text.stable_diffusion import StableDiffusion
from maquette.scores.cfg import CFG
from maquette.scores.perp_neg import Decay, PerpNeg, add_perpendicular, perpendicular
from views import around

SHAPE = (3, 2, 4, 4)
NEVER = Decay(0.0, 0.0)
QUIET = {"front_side": NEVER, "side_front": NEVER, "front_back": NEVER, "side_back": NEVER}


def predictions(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(SHAPE, generator=generator).double() for name in sorted(PerpNeg(PerpNeg.Config()).conditions)
    }


def combine(score, found, *azimuths: float) -> torch.Tensor:
    return score.combine_at(found, torch.full((len(azimuths), 1, 1, 1), 0.5), around(*azimuths))


def guided(found: dict[str, torch.Tensor], scale: float) -> torch.Tensor:
    """Plain classifier-free guidance towards the interpolated condition."""
    named = {"positive": found["interpolated"], "unconditional": found["unconditional"]}
    return CFG(CFG.Config(scale=scale)).combine(named)


def test_a_parallel_negative_changes_nothing():
    wanted = torch.randn(SHAPE).double()
    torch.testing.assert_close(add_perpendicular(wanted, [-2.5 * wanted], torch.full((3, 1), -1.0).double()), wanted)


def test_an_orthogonal_negative_is_subtracted_by_exactly_its_weight():
    wanted, negative = torch.zeros(SHAPE), torch.zeros(SHAPE)
    wanted[:, 0], negative[:, 1] = torch.randn(3, 4, 4), torch.randn(3, 4, 4)
    weights = torch.tensor([[-0.5], [-1.0], [-2.0]])
    expected = wanted + weights.view(3, 1, 1, 1) * negative
    torch.testing.assert_close(add_perpendicular(wanted, [negative], weights), expected)


def test_what_is_wanted_is_never_shortened():
    wanted, negatives = torch.randn(SHAPE).double(), [torch.randn(SHAPE).double() for _ in range(3)]
    left = add_perpendicular(wanted, negatives, -torch.rand(3, 3).double())
    torch.testing.assert_close((left * wanted).sum(dim=(1, 2, 3)), wanted.square().sum(dim=(1, 2, 3)))


def test_no_direction_to_be_perpendicular_to_leaves_the_negative_as_it_is():
    negative = torch.randn(SHAPE)
    assert torch.equal(perpendicular(negative, torch.zeros(SHAPE)), negative)


@pytest.mark.parametrize(("scale", "base", "as_cfg"), [(7.5, "unconditional", 7.5), (6.5, "text", 7.5)])
def test_without_weights_it_is_classifier_free_guidance(scale, base, as_cfg):
    found = predictions()
    score = PerpNeg(PerpNeg.Config(scale=scale, base=base, **QUIET))
    torch.testing.assert_close(combine(score, found, 0.0, 100.0, 180.0), guided(found, as_cfg))


def test_negatives_that_are_the_wanted_view_change_nothing():
    # what a prior hands out where no view is a neighbour
    found = predictions()
    found["front"] = found["side"] = found["interpolated"]
    torch.testing.assert_close(combine(PerpNeg(PerpNeg.Config()), found, 90.0, 135.0, 180.0), guided(found, 7.5))


def test_the_whole_equals_a_loop_over_pictures_and_negatives():
    found, azimuths, scale = predictions(), (20.0, -90.0, 150.0), 4.0
    wanted = torch.empty(SHAPE).double()
    for b, azimuth in enumerate(azimuths):
        quarters = abs(azimuth) / 90
        if quarters < 1:
            r = 1 - quarters
            weights = {"front": -(4 * math.exp(-0.5 * r) - 2.426), "side": -(4 * math.exp(-0.5 * (1 - r)) - 2.426)}
        else:
            r = 2 - quarters
            weights = {"front": -(math.exp(-0.5 * r) + 0.967), "side": -(math.exp(-0.5 * r) - 0.606)}
        none, positive = found["unconditional"][b].flatten(), found["interpolated"][b].flatten()
        toward = positive - none
        total = toward.clone()
        for name, weight in weights.items():
            away = found[name][b].flatten() - none
            total += weight * (away - toward * float(away @ toward) / float(toward @ toward))
        wanted[b] = (none + scale * total).view(SHAPE[1:])
    torch.testing.assert_close(
        combine(PerpNeg(PerpNeg.Config(scale=scale)), found, *azimuths), wanted, rtol=1e-5, atol=1e-5
    )


def test_pictures_of_a_batch_do_not_mix():
    found, score = predictions(), PerpNeg(PerpNeg.Config())
    alone = combine(score, {name: value[1:2] for name, value in found.items()}, 60.0)
    torch.testing.assert_close(combine(score, found, 0.0, 60.0, 180.0)[1:2], alone)


def test_default_weights_follow_threestudios_curves():
    found = PerpNeg(PerpNeg.Config()).weights(around(0.0, 45.0, 90.0, -90.0, 180.0))
    wanted = torch.tensor([[-0.000, -1.574], [-0.689, -0.689], [-1.574, -0.001], [-1.574, -0.001], [-1.967, -0.394]])
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


def test_weights_are_continuous_where_front_and_back_curves_meet():
    found = PerpNeg(PerpNeg.Config()).weights(around(89.999, 90.001))
    torch.testing.assert_close(found[0], found[1], atol=1e-3, rtol=0)


def test_stable_dreamfusions_curves_are_a_choice_of_constants():
    config = PerpNeg.Config(
        front_side=Decay(2, 2, limit=0.8),
        side_front=Decay(2, 10, limit=0.8),
        front_back=Decay(2, 0),
        side_back=Decay(1, 10, limit=0.8),
    )
    found = PerpNeg(config).weights(around(0.0, 45.0, 90.1, 135.0, 180.0))
    by_hand = [
        [0.0, -2.0],  # r > 0.8, and -2 exp(-10 (1 - r)) at r = 1
        [-2 * math.exp(-1), -2 * math.exp(-5)],
        [-2.0, 0.0],  # r > 0.8
        [-2.0, -math.exp(-5)],
        [-2.0, -1.0],
    ]
    torch.testing.assert_close(found, torch.tensor(by_hand), atol=1e-4, rtol=0)


def test_the_part_that_perpendicularity_saves_grows_with_the_overlap():
    # PN-5: unprojected negatives take w cos |d_i| off what is wanted; Perp-Neg takes nothing
    wanted = torch.zeros(1, 2, 1, 1)
    wanted[0, 0] = 1.0
    for cosine in (0.0, 0.5, 0.9):
        negative = torch.tensor([cosine, math.sqrt(1 - cosine**2)]).view(1, 2, 1, 1)
        unprojected = wanted - 0.8 * negative
        kept = add_perpendicular(wanted, [negative], torch.tensor([[-0.8]]))
        assert float(unprojected[0, 0]) == pytest.approx(1 - 0.8 * cosine)
        assert float(kept[0, 0]) == pytest.approx(1.0)


def test_a_text_prior_gives_what_it_needs(tiny_pixel_model):
    prior = StableDiffusion(StableDiffusion.Config(path=str(tiny_pixel_model), dtype="float32", device="cpu"))
    views = around(-45.0, 180.0)
    conditions = prior.condition(Request("a red mug")).at(views)
    front, side = conditions["front"][0], conditions["side"][0]
    torch.testing.assert_close(conditions["interpolated"][0], (front + side) / 2)
    torch.testing.assert_close(conditions["interpolated"][1], conditions["positive"][1])  # the back itself
    needed = {name: conditions[name] for name in sorted(PerpNeg(PerpNeg.Config()).conditions)}
    found = prior.predict(torch.randn(2, 3, 16, 16), torch.tensor([100, 800]), needed, views)
    assert torch.isfinite(combine(PerpNeg(PerpNeg.Config()), found, -45.0, 180.0)).all()


def test_from_above_a_text_prior_has_no_neighbours(tiny_pixel_model):
    prior = StableDiffusion(StableDiffusion.Config(path=str(tiny_pixel_model), dtype="float32", device="cpu"))
    conditions = prior.condition(Request("a red mug")).at(around(90.0, elevation=80.0, size=4))
    assert all(torch.equal(conditions[name], conditions["positive"]) for name in ("interpolated", "front", "side"))


def test_sides_are_the_cameras_own_where_words_tell_them_apart():
    words = ViewPrompts(tell_sides=True)
    by_view = {view: torch.full((2,), float(i)) for i, view in enumerate(words.names)}
    conditions = TextConditions(by_view, *[torch.zeros(2)] * 3, words).at(around(30.0, -30.0))
    left, right = (words.names.index(f"{side} side") for side in ("left", "right"))
    assert conditions["side"][:, 0].tolist() == [left, right]
