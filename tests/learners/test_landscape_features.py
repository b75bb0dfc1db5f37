"""The learner of features: it learns what photographs show, and saves an encoder that loads."""

import torch

from maquette.datasets.base import DescribedPictures
from maquette.landscapes.classes import LABELS
from maquette.landscapes.features import FeatureEncoder
from maquette.learners.landscape_features import LandscapeFeaturesLearner
from maquette.randomness import Draws


class Grounds:
    """Pictures of two labels: a bright one above, a dark one below; the number is the brightness of the upper one."""

    numbers = ("brightness",)

    def prepare(self, device: torch.device) -> None:
        """Nothing to do."""

    def batch(self, draws: Draws, size: int) -> DescribedPictures:
        height, brightness = draws.uniform("height", size), draws.uniform("brightness", size, low=0.5)
        upper = (torch.arange(16) / 16 < height[:, None])[:, :, None, None].expand(-1, -1, 16, 3)
        images = torch.where(upper, brightness[:, None, None, None], 0.1)
        fractions = torch.zeros(size, len(LABELS))
        fractions[:, 0] = upper[..., 0].float().mean(dim=(1, 2))
        fractions[:, 1] = 1 - fractions[:, 0]
        return DescribedPictures(images, fractions, (brightness[:, None] - 0.75) / 0.144)

    held_out = batch


def test_an_encoder_learns_fractions_and_numbers_and_loads_again(tmp_path):
    torch.manual_seed(0)
    data = Grounds()
    learner = LandscapeFeaturesLearner(LandscapeFeaturesLearner.Config(widths=(8, 12), average_decay=0.9, evaluated=64))
    learner.build(data)
    before = learner.evaluate(data, Draws(1, 0))
    optimiser = torch.optim.Adam(learner.parameters(), lr=1e-2)
    for step in range(200):
        terms = learner.loss(data.batch(Draws(0, step), 16), Draws(0, step))
        assert set(terms.losses) == {"labels", "numbers"}
        optimiser.zero_grad()
        terms.total().backward()
        optimiser.step()
        learner.after_step(step)
    after = learner.evaluate(data, Draws(1, 0))
    assert after["error of the fractions"] < 0.5 * before["error of the fractions"]
    assert after["correlation of brightness"] > 0.8
    learner.save(tmp_path)
    assert FeatureEncoder.load(str(tmp_path)).architecture.numbers == 1
