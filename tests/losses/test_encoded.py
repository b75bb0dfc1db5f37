"""Losses in the eyes of image encoders, against transformers' own models and torchmetrics' LPIPS."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips

from maquette import plugins
from maquette.config import load_method
from maquette.data.base import Reference
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.losses.clip_similarity import ClipSimilarity
from maquette.losses.lpips import LPIPS
from maquette.losses.perceptual import Perceptual
from maquette.losses.prompt_similarity import PromptSimilarity
from maquette.priors.base import Request
from views import front, rendering, target

CLIP = "nano-clip"
SIZE = 64  # of its pictures


def pictures(seed: int, count: int = 1, size: int = SIZE) -> torch.Tensor:
    """Smooth random pictures, [count, size, size, 3]."""
    coarse = torch.rand(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))
    return nn.functional.interpolate(coarse, (size, size), mode="bilinear").permute(0, 2, 3, 1)


def request(*known: tuple[torch.Tensor, float], prompt: str = "") -> Request:
    references = (Reference(Picture.opaque(rgb), front(size=SIZE), weight) for rgb, weight in known)
    return Request(prompt, "", tuple(references))


@pytest.fixture(scope="module")
def clip():
    """The oracle: transformers' whole model, and the pictures as its own processor makes them."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    folder = plugins.weights()[CLIP]
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor = CLIPImageProcessorPil.from_pretrained(folder, do_rescale=False)

    def prepared(rgb: torch.Tensor) -> torch.Tensor:
        return processor(images=[np.asarray(one) for one in rgb], return_tensors="pt", do_resize=False).pixel_values

    return model, prepared, CLIPTokenizer.from_pretrained(folder)


def cosines(clip, ours: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    model, prepared, _ = clip
    with torch.no_grad():
        one, other = (model.visual_projection(model.vision_model(prepared(x)).pooler_output) for x in (ours, known))
    return nn.functional.cosine_similarity(one, other)


def slope(value, rgb: torch.Tensor) -> tuple[float, float]:
    """The derivative along the gradient by autograd and by central differences."""
    rgb = rgb.clone().requires_grad_()
    value(rgb).backward()
    along = rgb.grad / rgb.grad.norm()
    with torch.no_grad():
        ahead, behind = (float(value(rgb + sign * 0.02 * along)) for sign in (1, -1))
    return float(rgb.grad.norm()), (ahead - behind) / 0.04


def test_clip_similarity_is_one_minus_the_cosine(clip):
    loss, known, ours = ClipSimilarity(ClipSimilarity.Config(CLIP)), pictures(0), pictures(1, 2)
    loss.prepare(request((known, 1.0)))
    assert float(loss(rendering(known), None)) == pytest.approx(0, abs=1e-5)
    assert float(loss(rendering(ours), None)) == pytest.approx(float(1 - cosines(clip, ours, known).mean()), abs=1e-5)


def test_several_references_count_by_their_weights(clip):
    loss, ours = ClipSimilarity(ClipSimilarity.Config(CLIP)), pictures(2)
    loss.prepare(request((pictures(3), 3.0), (pictures(4), 1.0)))
    expected = 1 - (3 * cosines(clip, ours, pictures(3)) + cosines(clip, ours, pictures(4))) / 4
    assert float(loss(rendering(ours), None)) == pytest.approx(float(expected), abs=1e-5)


def test_prompt_similarity_is_one_minus_the_cosine(clip):
    model, prepared, tokenizer = clip
    loss, ours = PromptSimilarity(PromptSimilarity.Config(CLIP)), pictures(5, 2)
    loss.prepare(request(prompt="a red mug"))
    words = tokenizer(["a red mug"], padding="max_length", max_length=24, return_tensors="pt")
    with torch.no_grad():
        image = model.visual_projection(model.vision_model(prepared(ours)).pooler_output)
        text = model.text_projection(model.text_model(words.input_ids).pooler_output)
    expected = 1 - nn.functional.cosine_similarity(image, text).mean()
    assert float(loss(rendering(ours), None)) == pytest.approx(float(expected), abs=1e-5)


def test_the_perceptual_distance_averages_unit_differences_of_patches(clip):
    model, prepared, _ = clip
    ours, known = pictures(6), pictures(7)
    with torch.no_grad():
        states = [model.vision_model(prepared(x), output_hidden_states=True).hidden_states for x in (ours, known)]
    layers = []
    for one, other in zip(*states, strict=True):
        cosine = nn.functional.cosine_similarity(one[0, 1:], other[0, 1:], dim=-1)
        layers.append(float((2 - 2 * cosine).mean()))  # |a - b|^2 of unit vectors
    value = Perceptual(Perceptual.Config(CLIP))(rendering(ours), target(known))
    assert len(layers) == 6 and float(value) == pytest.approx(np.mean(layers), rel=1e-4)


@pytest.mark.parametrize("part", ["clip", "prompt", "perceptual"])
def test_gradients_are_those_of_differences(part):
    known, loss = pictures(8), None
    if part == "perceptual":
        loss = Perceptual(Perceptual.Config(CLIP))
        found = slope(lambda rgb: loss(rendering(rgb), target(known)), pictures(9))
    else:
        loss = {"clip": ClipSimilarity, "prompt": PromptSimilarity}[part]
        loss = loss(loss.Config(CLIP))
        loss.prepare(request((known, 1.0), prompt="a red mug"))
        found = slope(lambda rgb: loss(rendering(rgb), None), pictures(9))
    assert found[0] > 0 and found[1] == pytest.approx(found[0], rel=0.02)


@pytest.fixture(scope="module")
def vgg(tmp_path_factory) -> tuple[Path, nn.Sequential]:
    """A file of random weights in torchvision's layout, and the layers they belong to."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    before = 3
    for after in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512, 0):
        if after:
            layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
            before = after
        else:
            layers += [nn.MaxPool2d(2)]
    features = nn.Sequential(*layers)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, path)
    return path, features


def test_lpips_is_torchmetrics_own(vgg, monkeypatch):
    path, features = vgg
    monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda net, pretrained: features)
    theirs = torchmetrics_lpips._LPIPS(net="vgg")
    ours, known = pictures(10, 2, 40), pictures(11, 2, 40)
    expected = theirs(ours.permute(0, 3, 1, 2), known.permute(0, 3, 1, 2), normalize=True).mean()
    loss = LPIPS(LPIPS.Config(path=str(path)))
    assert float(loss(rendering(ours), target(known))) == pytest.approx(float(expected), rel=1e-3)
    assert float(loss(rendering(known), target(known))) == 0
    found = slope(lambda rgb: loss(rendering(rgb), target(known)), ours)
    assert found[0] > 0 and found[1] == pytest.approx(found[0], rel=0.05)
    with pytest.raises(ConfigError, match="pictures of 16 pixels or more, not 8 x 8"):
        loss(rendering(pictures(0, 1, 8)), target(pictures(0, 1, 8)))


def test_wrong_networks_are_refused(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 5, 5)}, tmp_path / "other.pth")
    with pytest.raises(ConfigError, match=r"lacks features\.0\.weight, features\.0\.bias.*in the right shape"):
        LPIPS(LPIPS.Config(path=str(tmp_path / "other.pth")))
    with pytest.raises(ConfigError, match="cannot find VGG16 at 'no/hub/name'"):
        LPIPS(LPIPS.Config(path="no/hub/name"))
    with pytest.raises(ConfigError, match="cannot load a CLIP image encoder from 'no/hub/name'"):
        Perceptual(Perceptual.Config(path="no/hub/name"))


def test_without_what_they_compare_with_they_are_refused():
    with pytest.raises(ConfigError, match=r"loss 'clip-similarity' is about a picture.*data: \{type: image"):
        load_method("dreamfusion", ["prompt=x", "stages.nerf.losses.clip-similarity={path: nano-clip}"])
    with pytest.raises(ConfigError, match="loss 'perceptual' compares with known views"):
        load_method("dreamfusion", ["prompt=x", "stages.nerf.losses.perceptual={path: nano-clip}"])
    with pytest.raises(ConfigError, match=r"there is none.*name pictures in data\.references"):
        ClipSimilarity(ClipSimilarity.Config(CLIP)).prepare(request(prompt="a red mug"))
    with pytest.raises(ConfigError, match="'prompt-similarity' needs a prompt"):
        PromptSimilarity(PromptSimilarity.Config(CLIP)).prepare(request())
