"""Scores without the noise: the classifier's part, NFSD, and mixtures whose weights sum to 0."""

import pytest
import torch

from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.scores.cfg import CFG
from maquette.scores.csd import CSD
from maquette.scores.nfsd import NFSD
from maquette.scores.weighted import Weighted
from views import front

GENERATOR = torch.Generator().manual_seed(0)
PREDICTIONS = {name: torch.randn(2, 4, 8, 8, generator=GENERATOR) for name in ("positive", "unconditional", "empty")}
CAMERAS = front(2)


def test_csd_is_what_guidance_adds_per_scale():
    lower, higher = (CFG(CFG.Config(scale=scale)).combine(PREDICTIONS) for scale in (3.0, 5.0))
    torch.testing.assert_close(CSD(CSD.Config(scale=2.0)).combine(PREDICTIONS), higher - lower)


def test_nfsd_corrects_by_the_negative_prompt_where_there_is_much_noise_and_by_all_of_the_rest_below():
    positive, negative, empty = (PREDICTIONS[name] for name in ("positive", "unconditional", "empty"))
    share = torch.tensor([0.199, 0.2]).view(2, 1, 1, 1)
    found = NFSD(NFSD.Config(scale=7.5)).combine_at(PREDICTIONS, share, CAMERAS)
    towards = 7.5 * (positive - empty)
    torch.testing.assert_close(found[0], (empty + towards)[0])
    torch.testing.assert_close(found[1], (empty - negative + towards)[1])


def test_weighted_predictions_that_sum_to_one_are_guidance():
    score = Weighted(Weighted.Config(weights={"positive": 7.5, "unconditional": -6.5}))
    assert score.predicts_noise and score.conditions == {"positive", "unconditional"}
    torch.testing.assert_close(score.combine(PREDICTIONS), CFG(CFG.Config(scale=7.5)).combine(PREDICTIONS))


def test_weighted_predictions_that_sum_to_zero_are_a_direction():
    score = Weighted(Weighted.Config(weights={"positive": 2.0, "unconditional": -2.0, "empty": 0.0}))
    assert not score.predicts_noise and score.conditions == {"positive", "unconditional"}
    torch.testing.assert_close(score.combine(PREDICTIONS), CSD(CSD.Config(scale=2.0)).combine(PREDICTIONS))


def test_weighted_predictions_of_any_other_sum_are_refused_where_they_stand():
    with pytest.raises(ConfigError, match=r"score: weights sum to 1 \(a noise prediction\) or to 0 .* not to 0.7"):
        check(Weighted.Config, {"weights": {"positive": 1, "unconditional": -0.3}}, "score", lambda key: None)
    with pytest.raises(ValueError, match="all 0"):
        Weighted.Config(weights={"positive": 0.0})
