"""The translator: any size, and nothing that depends on the place in the picture."""

import pytest
import torch

from maquette.errors import ConfigError
from maquette.landscapes.classes import LABELS
from maquette.landscapes.translator import Translator, TranslatorSizes

SIZES = TranslatorSizes(widths=(8, 8, 8), hidden=4, style=3, encoder_widths=(8, 8))


@pytest.fixture(scope="module")
def translator() -> Translator:
    torch.manual_seed(0)
    return Translator(SIZES).eval().requires_grad_(False)


def inputs(height: int, width: int) -> tuple[torch.Tensor, ...]:
    keyed = torch.Generator().manual_seed(0)
    labels = torch.randint(0, len(LABELS), (2, height, width), generator=keyed)
    return labels, torch.randn(2, 3, generator=keyed), torch.randn(2, height, width, generator=keyed)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (18, 25)])
def test_pictures_have_the_size_of_their_labels(translator, height, width):
    pictures = translator(*inputs(height, width))
    assert pictures.shape == (2, 3, height, width) and pictures.min() >= 0 and pictures.max() <= 1


def test_one_label_without_noise_is_one_color_up_to_the_border(translator):
    flat = translator(torch.full((1, 16, 16), 5), torch.zeros(1, 3), torch.zeros(1, 16, 16))
    assert (flat - flat[:, :, :1, :1]).abs().max() < 1e-5


def test_noise_and_style_change_the_picture(translator):
    labels, style, noise = inputs(16, 16)
    picture = translator(labels, style, noise)
    assert not torch.equal(picture, translator(labels, style, noise + 1))
    assert not torch.equal(picture, translator(labels, style + 1, noise))


def test_the_style_of_a_picture_is_a_mean_and_a_log_variance(translator):
    mean, log_variance = translator.encode(torch.rand(2, 3, 20, 30))
    assert mean.shape == log_variance.shape == (2, 3)


def test_a_folder_without_a_translator_gets_one_line(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no translator at .*; give a folder that the learner"):
        Translator.load(str(tmp_path))


@pytest.mark.parametrize(
    ("sizes", "message"), [({"widths": (8, 10)}, "multiples of 4.*not 10"), ({"widths": ()}, "at least one")]
)
def test_sizes_that_cannot_be_built_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        TranslatorSizes(**sizes)
