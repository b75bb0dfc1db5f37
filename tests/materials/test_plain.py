"""An unlit material shows its features as colours."""

import torch

from maquette.materials.plain import Plain


def test_plain_colours_are_the_sigmoid_of_the_first_three_features():
    material = Plain(Plain.Config())
    features = torch.tensor([[0.0, 100.0, -100.0, 7.0]])
    torch.testing.assert_close(material.albedo(features), torch.tensor([[0.5, 1.0, 0.0]]))
    assert Plain.capabilities(Plain.Config()).feature_channels == 3 and not list(material.parameters())
