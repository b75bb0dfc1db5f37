"""Objectives that invert the rendering need what the score of the inversion needs."""

import pytest

from maquette.config.capabilities import NOISE_PREDICTION
from maquette.config.parts import check
from maquette.objectives.ism import ISM
from maquette.objectives.sdi import SDI


@pytest.mark.parametrize("objective", [ISM, SDI])
def test_an_inversion_asks_for_the_conditions_of_its_own_score(objective):
    config = check(
        objective.Config, {"inversion": {"type": "weighted", "weights": {"empty": 1.0}}}, "objective", lambda key: None
    )
    capabilities = objective.capabilities(config)
    assert "condition:empty" in capabilities.needs and capabilities.inner == {"inversion": {NOISE_PREDICTION}}
    assert "condition:empty" not in objective.capabilities(objective.Config()).needs
