"""Stage one: it begins with a reconstructor's regression, takes both conditions, and its weights travel."""

import pytest
import torch

from maquette.errors import ConfigError
from maquette.generators.one2345.shape_network import ShapeArchitecture, ShapeNetwork, sample_shape
from maquette.randomness import Draws
from tiny_one2345 import TOWER, cameras, images, reconstructor, shape_network

T = torch.tensor([900, 10])


def test_a_network_started_from_a_reconstructor_predicts_what_that_does_whatever_the_noise():
    network, source = shape_network(), reconstructor()
    network.start_from(source)
    views, rig = images(2, 3), cameras(2, 3)
    condition = network.condition(views, rig, torch.randn(2, TOWER))
    for seed in range(2):
        noisy = Draws(seed, 0).normal("noise", 2, 8, 8, 8)
        torch.testing.assert_close(network(noisy, T, condition), source(views, rig), atol=1e-5, rtol=1e-5)


def test_noise_timestep_and_tower_have_an_influence_once_trained():
    network = shape_network()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    views, rig, noisy = images(2, 3), cameras(2, 3), torch.randn(2, 8, 8, 8)
    embedding = torch.randn(2, TOWER)
    base = network(noisy, T, network.condition(views, rig, embedding))
    assert (network(noisy, T, network.condition(views, rig, -embedding)) - base).abs().max() > 1e-3
    assert (network(noisy, T.flip(0), network.condition(views, rig, embedding)) - base).abs().max() > 1e-3
    assert (network(-noisy, T, network.condition(views, rig, embedding)) - base).abs().max() > 1e-3


def test_without_the_local_condition_views_have_no_influence():
    network = shape_network(local=False)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    noisy, embedding = torch.randn(2, 8, 8, 8), torch.randn(2, TOWER)
    conditions = [network.condition(views, cameras(2, 3), embedding) for views in (images(2, 3), 1 - images(2, 3))]
    torch.testing.assert_close(*(network(noisy, T, condition) for condition in conditions))


def test_weights_travel_with_their_sizes(tmp_path):
    network = shape_network()
    network.save(tmp_path)
    loaded = ShapeNetwork.load(str(tmp_path))
    assert loaded.architecture == network.architecture
    condition = network.condition(images(1, 3), cameras(1, 3), torch.zeros(1, TOWER))
    ours, theirs = (sample_shape(each, condition, 2, Draws(0, 0)) for each in (network, loaded))
    torch.testing.assert_close(ours, theirs, atol=1e-2, rtol=0)
    with pytest.raises(ConfigError, match="shape network"):
        ShapeNetwork.load(str(tmp_path / "elsewhere"))


def test_a_network_of_the_papers_size_builds():
    """64 cells a side, levels of 32, 16, 8 and 4 folded cells as in the paper, a tower of 768 numbers."""
    architecture = ShapeArchitecture(
        0.84, 64, 256, (64, 128, 256), 64, (192, 384, 768, 768), (2, 2, 2, 2), 768, "openai/clip-vit-large-patch14", 768
    )
    with torch.device("meta"):
        network = ShapeNetwork(architecture)
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6) == 193
