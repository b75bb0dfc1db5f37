"""Stage two: it begins with interpolated distances and mean colours, at the children of the cells that are split."""

import torch

from maquette.generators.one2345.sparse import Tokens
from maquette.generators.one2345.surface_network import (
    DISTANCES,
    SurfaceArchitecture,
    SurfaceNetwork,
    interpolated,
    sample_tokens,
)
from maquette.perception.view_volume import cell_centres
from maquette.perception.volume_unet import unfold
from maquette.randomness import Draws
from tiny_one2345 import BOUND, RESOLUTION, TOWER, cameras, images, reconstructor, surface_network


def plane(slope: torch.Tensor, side: int) -> torch.Tensor:
    """A linear function at the cells' centres [1, side, side, side]."""
    return (cell_centres(BOUND, side) @ slope).view(1, side, side, side)


def test_children_stand_where_the_unfolded_grid_has_them():
    network = surface_network()
    tokens = Tokens.of(torch.ones(1, RESOLUTION, RESOLUTION, RESOLUTION, dtype=torch.bool))
    _, children = network.positions(tokens)
    folded = children.permute(2, 1, 0).unflatten(2, (RESOLUTION,) * 3).flatten(0, 1)  # coordinate and child as channels
    grid = unfold(folded[None])[0].flatten(1).T
    torch.testing.assert_close(grid, cell_centres(BOUND, 2 * RESOLUTION))


def test_distances_are_interpolated_linearly_between_cells():
    network, slope = surface_network(), torch.tensor([0.5, -1.0, 0.25])
    inner = torch.zeros(1, RESOLUTION, RESOLUTION, RESOLUTION, dtype=torch.bool)
    inner[:, 1:-1, 1:-1, 1:-1] = True
    tokens = Tokens.of(inner)
    _, children = network.positions(tokens)
    values = interpolated(plane(slope, RESOLUTION), children / BOUND, tokens)
    torch.testing.assert_close(values, children @ slope, atol=1e-5, rtol=1e-4)


def test_an_untrained_network_predicts_the_coarse_distances_and_the_mean_color_of_the_views():
    network = surface_network()
    coarse = torch.rand(2, RESOLUTION, RESOLUTION, RESOLUTION) * 2 - 1
    views = torch.tensor([0.2, 0.4, 0.8]).expand(2, 3, 16, 16, 3)
    condition = network.condition(views, cameras(2, 3), torch.zeros(2, TOWER), coarse, coarse.abs() < 0.5)
    tokens = condition.levels.tokens[0]
    assert len(tokens) == int((coarse.abs() < 0.5).sum())
    values = sample_tokens(network, condition, 3, Draws(0, 0))
    torch.testing.assert_close(values[:, :DISTANCES], condition.base[:, :DISTANCES], atol=1e-4, rtol=0)
    expected = torch.tensor([0.2, 0.4, 0.8]).repeat_interleave(8) * 2 - 1
    torch.testing.assert_close(values[:, DISTANCES:], expected.expand(len(tokens), -1), atol=1e-4, rtol=0)


def test_without_active_cells_there_is_nothing_to_sample():
    network = surface_network()
    coarse = torch.ones(1, RESOLUTION, RESOLUTION, RESOLUTION)
    condition = network.condition(images(1, 3), cameras(1, 3), torch.zeros(1, TOWER), coarse, coarse < 0)
    assert sample_tokens(network, condition, 3, Draws(0, 0)).shape == (0, 32)


def test_a_network_started_from_a_reconstructor_reads_pictures_as_it_does():
    network, source = surface_network(), reconstructor()
    network.start_from(source)
    ours, theirs = (each.views(images(1, 3), cameras(1, 3)) for each in (network, source))
    torch.testing.assert_close(ours, theirs)


def test_weights_travel_with_their_sizes(tmp_path):
    network = surface_network()
    network.save(tmp_path)
    assert SurfaceNetwork.load(str(tmp_path)).architecture == network.architecture


def test_a_network_of_the_papers_size_builds():
    """Tokens of 64 cells a side make 128 with their children, as in the paper."""
    architecture = SurfaceArchitecture(
        0.84, 64, 256, (64, 128, 256), 64, (256, 512, 768), (2, 2, 2), 768, "openai/clip-vit-large-patch14", 768
    )
    with torch.device("meta"):
        network = SurfaceNetwork(architecture)
    assert 100e6 < sum(parameter.numel() for parameter in network.parameters()) < 300e6
