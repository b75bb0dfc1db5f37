"""Features of landscapes: a distance that is 0 for equal pictures alone, and weights that come back."""

import torch

from maquette.landscapes.classes import LABELS
from maquette.landscapes.features import FeatureEncoder, FeatureSizes, perceptual_distance


def encoder() -> FeatureEncoder:
    torch.manual_seed(0)
    return FeatureEncoder(FeatureSizes((6, 8), 2))


def test_equal_pictures_are_at_distance_0_and_others_are_not_in_either_order():
    noise = torch.Generator().manual_seed(1)
    one, other = torch.rand(2, 1, 3, 32, 32, generator=noise)
    network = encoder()
    assert perceptual_distance(network, one, one) == 0 < perceptual_distance(network, one, other)
    torch.testing.assert_close(perceptual_distance(network, one, other), perceptual_distance(network, other, one))


def test_scaled_features_are_alike():
    """Places are compared by the direction of their features, so that a factor of all of them changes nothing."""
    network, picture = encoder(), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        before = perceptual_distance(network, picture, picture.flip(3))
        network.layers[-1].weight *= 3
        network.layers[-1].bias *= 3
    torch.testing.assert_close(perceptual_distance(network, picture, picture.flip(3)), before)


def test_weights_come_back_in_half_precision_and_estimates_have_their_shapes(tmp_path):
    network = encoder()
    network.save(tmp_path)
    again = FeatureEncoder.load(str(tmp_path))
    pictures = torch.rand(2, 3, 16, 16)
    logits, numbers = again(pictures)
    assert logits.shape == (2, len(LABELS)) and numbers.shape == (2, 2)
    torch.testing.assert_close(logits, network(pictures)[0], atol=1e-2, rtol=1e-2)
