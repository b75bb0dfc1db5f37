"""A learned texture behind the object."""

import torch

from maquette.backgrounds.textured import Textured
from maquette.images.environment import latlong_directions


def test_it_starts_grey_everywhere():
    seen = Textured(Textured.Config())(latlong_directions(8)[None], None)
    assert torch.equal(seen, torch.full((1, 8, 16, 3), 0.5))


def test_each_texel_is_seen_in_its_direction():
    background = Textured(Textured.Config(height=4, width=8))
    background.texels.data.normal_()
    seen = background(latlong_directions(4)[None], None)
    torch.testing.assert_close(seen[0], torch.sigmoid(background.texels))


def test_it_learns_a_picture_of_its_surroundings():
    directions = latlong_directions(32)[None]
    target = (directions + 1) / 2
    background = Textured(Textured.Config())
    optimiser = torch.optim.Adam(background.parameters(), lr=0.2)
    for _ in range(60):
        optimiser.zero_grad()
        (background(directions, None) - target).square().mean().backward()
        optimiser.step()
    assert float((background(directions, None) - target).abs().mean().detach()) < 0.02
