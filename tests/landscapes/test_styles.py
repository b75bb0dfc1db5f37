"""Styles that are drawn: where those of photographs lie, by name of a folder, and the same for every landscape."""

import torch

from maquette.landscapes.generator import draw_style
from maquette.landscapes.styles import StyleDistribution
from small_landscapes import SIZES, saved_generator, small_generator


def test_drawn_styles_have_the_mean_and_the_covariance_of_those_of_photographs():
    mix = torch.tensor([[2.0, 0.5, 0.0], [0.0, 0.3, 0.1], [0.0, 0.0, 0.1]])
    styles = torch.randn(400, 3, generator=torch.Generator().manual_seed(0)) @ mix + torch.tensor([1.0, -2.0, 5.0])
    distribution = StyleDistribution.of(styles)
    drawn = torch.cat([distribution.draw(number) for number in range(2000)])
    torch.testing.assert_close(drawn.mean(dim=0), styles.mean(dim=0), atol=0.15, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), styles.T.cov(), atol=0.3, rtol=0)


def test_a_folder_that_says_nothing_of_its_styles_has_standard_normal_ones(tmp_path):
    path = saved_generator(tmp_path)
    assert torch.equal(StyleDistribution.load(path, SIZES.style).draw(3), draw_style(0, 3, SIZES.style))


def test_styles_of_pictures_are_saved_with_the_weights(tmp_path):
    path, generator = saved_generator(tmp_path), small_generator()
    pictures = torch.rand(6, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    distribution = StyleDistribution.of_pictures(generator, pictures)
    torch.testing.assert_close(distribution.mean, generator.style_encoder(pictures)[0].mean(dim=0))
    distribution.save(tmp_path)
    loaded = StyleDistribution.load(path, SIZES.style)
    assert torch.equal(loaded.draw(1), distribution.draw(1)) and not torch.equal(loaded.draw(1), loaded.draw(2))
