"""The reconstructor that ships: closer to held-out objects than their visual hull, from either number of views."""

import pytest
import torch

from maquette.learners.reconstructor import hull_mask, intersection_over_union
from maquette.perception.reconstructor import Reconstructor
from maquette.randomness import Draws
from maquette_nano.volumes import BOUND, NanoVolumes

OBJECTS = 6


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> NanoVolumes:
    cache = str(tmp_path_factory.mktemp("volumes"))
    dataset = NanoVolumes(NanoVolumes.Config(objects=1, held_out_objects=OBJECTS, cache=cache, workers=1))
    dataset.prepare(torch.device("cpu"))
    return dataset


@pytest.mark.parametrize("views", [4, 6])
def test_its_solid_is_closer_to_the_truth_than_the_hull_of_true_silhouettes(data, views):
    network, objects = Reconstructor.load("nano-reconstructor"), data.held_out(Draws(0, 0), OBJECTS, views, True)
    predicted = network(objects.images.unflatten(0, (OBJECTS, views)), objects.cameras)
    truth = objects.distances < 0
    learned = intersection_over_union(predicted < 0, truth).mean()
    assert learned > 0.75
    assert learned > intersection_over_union(hull_mask(objects, BOUND), truth).mean()
