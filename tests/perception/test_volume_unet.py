"""The 3D U-Net: folding is an exchange of cells for channels, and context and timestep change what comes out."""

import pytest
import torch

from maquette.perception.volume_unet import VolumeUNet, fold, timestep_embedding, unfold


def test_unfold_undoes_fold_and_channels_are_the_eight_cells_of_a_block():
    volume = torch.randn(2, 3, 4, 6, 8)
    folded = fold(volume)
    assert folded.shape == (2, 24, 2, 3, 4)
    assert torch.equal(unfold(folded), volume)
    block = volume[1, 2, 2:4, 4:6, 6:8].flatten()
    assert torch.equal(folded[1, 16:, 1, 2, 3], block)


@pytest.fixture
def network() -> VolumeUNet:
    torch.manual_seed(0)
    network = VolumeUNet(5, 8, widths=(8, 16), context=6, blocks=(1, 2), timed=True)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # untrained, the second convolutions are zero
    return network


def test_a_volume_keeps_its_shape_and_has_the_channels_asked_for(network):
    out = network(torch.randn(2, 5, 4, 8, 4), torch.randn(2, 6), torch.zeros(2))
    assert out.shape == (2, 8, 4, 8, 4)


def test_context_and_timestep_each_change_the_output_of_their_own_sample_alone(network):
    volume, context, timestep = torch.randn(2, 5, 4, 4, 4), torch.randn(2, 6), torch.tensor([10.0, 500.0])
    before = network(volume, context, timestep)
    later = network(volume, context, torch.tensor([10.0, 900.0]))
    other = network(volume, torch.stack([context[0], context[1] + 1]), timestep)
    for changed in (later, other):
        torch.testing.assert_close(changed[0], before[0])
        assert (changed[1] - before[1]).abs().max() > 1e-3


def test_the_coarsest_level_reaches_from_one_end_of_the_volume_to_the_other():
    network = VolumeUNet(1, 1, widths=(8, 8, 8), context=1, blocks=(1, 1, 2))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    volume = torch.zeros(1, 1, 16, 16, 16, requires_grad=True)
    network(volume, torch.zeros(1, 1))[0, 0, 0, 0, 0].backward()
    assert volume.grad is not None and volume.grad[0, 0, -1, -1, -1] != 0


def test_timesteps_have_embeddings_that_tell_them_apart():
    embedding = timestep_embedding(torch.arange(1000.0))
    distances = torch.cdist(embedding, embedding) + 10 * torch.eye(1000)
    assert distances.min() > 0.1
