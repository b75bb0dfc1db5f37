"""Each loss against numbers worked out by hand."""

import math

import pytest
import torch

from maquette.config.schedules import Schedule
from maquette.errors import PluginError
from maquette.losses.base import as_terms
from maquette.losses.distortion import Distortion
from maquette.losses.emptiness import Emptiness
from maquette.losses.entropy import Entropy
from maquette.losses.opacity import Opacity
from maquette.losses.orientation import Orientation
from maquette.losses.z_variance import ZVariance
from maquette.materials.base import Shading
from maquette.objectives.terms import Terms
from maquette.renderers.base import RaySampleValues, Rendering


def rendering(opacity: float = 1.0, normals=None, weights=(0.5, 0.5), t=(1.0, 3.0)) -> Rendering:
    samples = RaySampleValues(
        torch.tensor(weights, requires_grad=True), torch.tensor(t), torch.zeros(2, dtype=torch.int64), 1,
        normals, torch.tensor([[1.0, 0, 0], [1.0, 0, 0]]), deltas=torch.tensor([0.3, 0.3]),
    )  # fmt: skip
    depth = sum(w * d for w, d in zip(weights, t, strict=True)) / max(sum(weights), 1e-9)
    return Rendering(
        torch.zeros(1, 1, 1, 3),
        torch.full((1, 1, 1, 1), opacity),
        torch.full((1, 1, 1, 1), depth),
        None,
        samples,
        Shading(),
        torch.zeros(1, 1, 1, 3),
    )


def test_orientation_counts_only_normals_that_face_away():
    normals = torch.tensor([[1.0, 0, 0], [-1.0, 0, 0]])
    assert Orientation(Orientation.Config())(rendering(normals=normals), None) == 0.5


def test_orientation_does_not_push_weights():
    picture = rendering(normals=torch.tensor([[1.0, 0, 0]] * 2, requires_grad=True))
    Orientation(Orientation.Config())(picture, None).backward()
    assert picture.samples.weights.grad is None


def test_opacity_is_the_soft_absolute_value():
    assert float(Opacity(Opacity.Config())(rendering(opacity=0.3), None)) == pytest.approx(math.sqrt(0.09 + 0.01))


def test_entropy_is_largest_half_way():
    values = [float(Entropy(Entropy.Config())(rendering(opacity=a), None)) for a in (0.0, 0.5, 1.0)]
    assert values == pytest.approx([values[2], math.log(2), values[0]], rel=1e-4) and values[0] < 0.01


def test_z_variance_is_the_variance_of_depth():
    assert float(ZVariance(ZVariance.Config())(rendering(), None)) == pytest.approx(1.0)


def test_emptiness_costs_fog_more_than_a_surface():
    surface, fog = (float(Emptiness(Emptiness.Config())(rendering(weights=w), None)) for w in ((1.0, 0.0), (0.5, 0.5)))
    assert surface == pytest.approx(math.log(11)) and fog == pytest.approx(2 * math.log(6))


def test_distortion_is_what_the_weights_are_apart_and_wide():
    # two halves, 2 apart: 2 * 1/4 * 2 between them, and 2 * 1/4 * 0.3 / 3 within
    assert float(Distortion(Distortion.Config())(rendering(), None)) == pytest.approx(1.05)


def test_a_loss_may_return_terms_and_values_to_log():
    value = torch.tensor(2.0, requires_grad=True)
    terms = as_terms("smooth", Terms({"edges": value * 2, "faces": value}, {"longest": 0.5}))
    assert dict(terms.values()) == {"loss/smooth/edges": 4.0, "loss/smooth/faces": 2.0, "smooth/longest": 0.5}
    terms.total().backward()
    assert value.grad == 3
    assert as_terms("plain", value).losses == {"plain": value}


@pytest.mark.parametrize(
    ("value", "words"), [(3.0, r"3\.0"), (None, "None"), (torch.ones(2, 3), r"a tensor of shape \[2, 3\]")]
)
def test_a_loss_that_returns_something_else_is_named(value, words):
    with pytest.raises(PluginError, match=f"loss 'mine' returned {words}; a loss returns a scalar tensor, or Terms"):
        as_terms("mine", value)


def test_a_loss_whose_own_init_sets_its_config_has_its_weight():
    class Own(Opacity):
        def __init__(self, config):
            self.config = config

    config = Opacity.Config(weight=Schedule.constant(0.5))
    assert Own(config).weight is config.weight and not Own(config).reads_normals
