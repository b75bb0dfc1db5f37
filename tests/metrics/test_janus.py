"""The Janus metric on true pictures: a car has one front, and two where its back is replaced by one."""

import numpy as np
import pytest
import torch

from maquette.errors import ConfigError
from maquette.metrics.janus import Janus, fronts

AZIMUTHS_DEG = [30.0 * i for i in range(12)]


@pytest.fixture(scope="module")
def judge():
    return Janus(Janus.Config(reader="nano-viewpoint", views=12))


@pytest.fixture(scope="module")
def car():
    """Twelve true pictures of a held-out car over white, the first from the front."""
    from maquette_nano import world

    number = next(i for i in range(2000) if world.sample_attributes(i, "test")[0] == "car")
    thing = world.sample_object(number, "test")
    c2w = np.stack([world.orbit_c2w(azimuth, 15, 3.2) for azimuth in AZIMUTHS_DEG])
    return world.render(thing, c2w, 35, 64).picture.over(1.0).numpy()


def test_other_weights_than_the_pinned_ones_are_refused(judge):
    assert len(judge._sha256) == 64
    with pytest.raises(ConfigError, match="sha256"):
        Janus(Janus.Config(reader="nano-viewpoint", sha256="0" * 64))


def test_a_car_has_one_front(judge, car):
    measured = judge.judge(car, AZIMUTHS_DEG)
    assert measured.values["janus"] == 0.0 and measured.values["no front"] == 0.0
    assert measured.values["view accuracy"] > 0.9
    assert measured.facts["fronts_deg"][0] in (330.0, 0.0, 30.0)


def test_a_car_with_its_front_behind_as_well_has_the_problem(judge, car):
    turned = [car[(i + 6) % 12] if 4 <= i <= 8 else car[i] for i in range(12)]
    assert judge.judge(np.stack(turned), AZIMUTHS_DEG).values["janus"] == 1.0


def test_a_car_that_is_all_back_has_no_front(judge, car):
    assert judge.judge(np.stack([car[6]] * 12), AZIMUTHS_DEG).values == {
        "janus": 0.0, "no front": 1.0, "view accuracy": pytest.approx(3 / 12)
    }  # fmt: skip


def test_fronts_farther_apart_than_a_right_angle_are_two():
    azimuth_deg = torch.tensor([0.0, 80.0, 100.0, 260.0])
    assert fronts(torch.tensor([0.9, 0.8, 0.0, 0.0]), azimuth_deg, 0.7) == [0.0]
    assert fronts(torch.tensor([0.9, 0.0, 0.8, 0.0]), azimuth_deg, 0.7) == [0.0, 100.0]
    assert fronts(torch.tensor([0.9, 0.0, 0.8, 0.75]), azimuth_deg, 0.7) == [0.0, 100.0, 260.0]
