"""The image encoder that learns from where: reads directions, keeps what it knew, is taken by novel-view."""

import pytest
import torch

from maquette.cameras.base import Cameras, orbit_cameras
from maquette.datasets.base import PosedPairs
from maquette.errors import ConfigError
from maquette.learners.novel_view import NovelViewLearner
from maquette.learners.viewpoint import ViewpointLearner
from maquette.perception.image_encoder import ImageEncoder
from maquette.perception.viewpoint_reader import ViewpointReader, directions
from maquette.randomness import Draws

SIZE = 8


class Weathercocks:
    """Pictures whose brightness falls across with the sine and down with the cosine of the azimuth."""

    def batch(self, draws: Draws, size: int) -> PosedPairs:
        sides = [seen_from(draws.uniform(name, size, high=360.0)) for name in ("reference", "target")]
        return PosedPairs(*(picture for picture, _ in sides), *(cameras for _, cameras in sides))

    held_out = batch


def seen_from(azimuth_deg: torch.Tensor) -> tuple[torch.Tensor, Cameras]:
    one, across = torch.ones_like(azimuth_deg), torch.linspace(-0.4, 0.4, SIZE)
    azimuth = torch.deg2rad(azimuth_deg)[:, None, None]
    brightness = 0.5 + azimuth.sin() * across + azimuth.cos() * across[:, None]
    return brightness[..., None].expand(-1, -1, -1, 3).clamp(0, 1), orbit_cameras(azimuth_deg, 0 * one, one, one, SIZE)


@pytest.fixture(scope="module")
def learner(tiny_clip):
    torch.manual_seed(0)
    learner = ViewpointLearner(ViewpointLearner.Config(start=str(tiny_clip), average_decay=0.0, evaluated=64))
    learner.build(Weathercocks())
    optimiser = torch.optim.Adam([p for p in learner.parameters() if p.requires_grad], 3e-3)
    for step in range(80):
        optimiser.zero_grad()
        learner.loss(Weathercocks().batch(Draws(0, step), 32), Draws(0, step)).total().backward()
        optimiser.step()
        learner.after_step(step)
    return learner


def test_directions_are_elevation_and_the_point_on_the_circle():
    one = torch.ones(2)
    cameras = orbit_cameras(torch.tensor([0.0, 90.0]), torch.tensor([0.0, 30.0]), one, one, SIZE)
    torch.testing.assert_close(
        directions(cameras), torch.tensor([[0.0, 0, 1], [torch.pi / 6, 1, 0]]), atol=1e-6, rtol=0
    )


def test_azimuths_are_read_and_the_old_embedding_is_not_forgotten(learner):
    figures = learner.evaluate(Weathercocks(), Draws(1, 0))
    assert figures["median azimuth error in degrees"] < 15 and figures["lost of the embedding"] < 0.5


def test_what_it_was_stays_as_it_was(learner, tiny_clip):
    fresh = ImageEncoder.load(str(tiny_clip))
    assert all(
        torch.equal(a, b) for a, b in zip(learner.original_encoder.parameters(), fresh.parameters(), strict=True)
    )
    pairs = zip(learner.networks.reader.encoder.parameters(), fresh.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_the_novel_view_learner_takes_the_tower(learner, tmp_path):
    picture, _ = seen_from(torch.tensor([40.0]))
    before = learner.average.module.reader.encoder(picture)
    learner.save(tmp_path)
    other = NovelViewLearner(
        NovelViewLearner.Config(
            size=16, widths=(16, 32), attention_levels=1, modulated=True, image_encoder=str(tmp_path)
        )
    )
    other.build(Weathercocks())
    torch.testing.assert_close(other.encoder(picture), before.float(), atol=2e-2, rtol=2e-2)


def test_what_is_saved_reads_directions_as_the_learner_does(learner, tmp_path):
    picture, _ = seen_from(torch.tensor([40.0, 200.0]))
    before = learner.average.module.reader(picture)
    learner.save(tmp_path)
    assert torch.equal(learner.average.module.reader(picture), before)  # the learner itself stays as it is
    torch.testing.assert_close(ViewpointReader.load(str(tmp_path))(picture), before, atol=2e-2, rtol=2e-2)


def test_weights_without_a_direction_are_refused_by_name(tiny_clip):
    with pytest.raises(ConfigError, match="cannot read viewpoints with"):
        ViewpointReader.load(str(tiny_clip))
