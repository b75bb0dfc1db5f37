"""All conditions of a network prior are asked for in one call, and each object once, however many names it has."""

import torch

from maquette.diffusion.noise import DiscreteSchedule
from maquette.priors.diffusion_prior import distinct_conditions, predict_each


def test_names_of_one_object_share_it_and_equal_objects_do_not():
    nothing = torch.zeros(2)
    each, places = distinct_conditions({"positive": torch.zeros(2), "unconditional": nothing, "empty": nothing})
    assert len(each) == 2 and places == {"positive": 0, "unconditional": 1, "empty": 1}


def test_one_call_predicts_the_noise_under_each_condition():
    schedule = DiscreteSchedule(torch.linspace(0.9, 0.1, 10), "sample")
    noisy, t, calls = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 4, 8]), []

    def network(inputs, levels, each):
        calls.append((len(inputs), levels.tolist()))
        return inputs * torch.cat(each)[:, None, None, None]

    nothing = torch.zeros(3)
    predictions = predict_each({"positive": torch.ones(3), "a": nothing, "b": nothing}, noisy, t, schedule, network)
    assert calls == [(6, [1, 4, 8] * 2)]
    assert predictions["a"] is predictions["b"]
    torch.testing.assert_close(predictions["positive"], schedule.epsilon(noisy, noisy, t))
