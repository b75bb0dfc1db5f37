"""Metrics with weights: CLIP similarity beside the encoder, LPIPS beside the loss that torchmetrics checks."""

from __future__ import annotations

import pytest
import torch
from coloured_ball import mesh_ball
from PIL import Image

from maquette.cameras import orbit_cameras
from maquette.config.parts import PartSpec
from maquette.data.formats import PosedImages, save_posed_images
from maquette.errors import ConfigError
from maquette.losses.lpips import VGG16
from maquette.metrics._weights import pinned_hash
from maquette.metrics.base import Case
from maquette.metrics.clip_similarity import ClipSimilarity
from maquette.metrics.lpips import LpipsMetric
from maquette.metrics.subjects import Nothing
from maquette.metrics.truths.files import TruthFiles
from maquette.perception.clip import Clip


def similarity(**settings: object) -> ClipSimilarity:
    return ClipSimilarity(ClipSimilarity.Config(scorer="nano-clip", views=2, supersampling=1, **settings))


def test_clip_similarity_to_the_prompt_is_the_cosine_of_the_embeddings():
    metric, clip = similarity(), Clip("nano-clip")
    measured = metric(Nothing(), Case("a red mug"))
    white = clip.images(torch.ones(1, clip.size, clip.size, 3))
    expected = float((white @ clip.texts(["a red mug"]).T).mean())
    assert measured.values == {"text": pytest.approx(expected, abs=1e-5)} and len(measured.facts["sha256"]) == 64


def test_clip_similarity_to_a_white_picture_is_one_for_nothing(tmp_path):
    Image.new("RGB", (32, 32), "white").save(tmp_path / "white.png")
    measured = similarity()(Nothing(), Case(image=str(tmp_path / "white.png")))
    assert measured.values == {"image": pytest.approx(1, abs=1e-5)}


def test_a_reference_that_is_not_square_is_widened_with_white_and_not_squashed(tmp_path):
    wide, square = Image.new("RGB", (32, 16), "red"), Image.new("RGB", (32, 32), "white")
    square.paste(wide, (0, 8))
    for name, picture in (("wide", wide), ("square", square)):
        picture.save(tmp_path / f"{name}.png")
    values = [similarity()(Nothing(), Case(image=str(tmp_path / f"{name}.png"))).values for name in ("wide", "square")]
    assert values[0] == values[1]


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"scorer: the weights 'nano-clip' have the sha256 .*, not 00"):
        similarity(sha256="00")
    known = pinned_hash("nano-clip", "", "scorer")
    assert pinned_hash("nano-clip", known, "scorer") == known


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """Random weights in torchvision's layout."""
    generator = torch.Generator().manual_seed(0)
    tensors, before, place = {}, 3, 0
    for channels in VGG16:
        for after in channels:
            tensors[f"features.{place}.weight"] = torch.randn(after, before, 3, 3, generator=generator) * 0.05
            tensors[f"features.{place}.bias"] = torch.zeros(after)
            before, place = after, place + 2
        place += 1
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(tensors, path)
    return path


def test_lpips_of_the_true_pictures_is_nothing_and_of_nothing_some(vgg, tmp_path):
    azimuth = torch.tensor([0.0, 120.0])
    cameras = orbit_cameras(azimuth, 0 * azimuth + 20, 0 * azimuth + 3.2, 0 * azimuth + 35, 32)
    picture = mesh_ball().render_cameras(cameras, normals=False).picture
    save_posed_images(tmp_path, PosedImages(picture, cameras, ("train", "test"), ("a", "b")))
    case = Case("a ball", {}, PartSpec("truth", "files", TruthFiles, TruthFiles.Config(views=str(tmp_path))))
    metric = LpipsMetric(LpipsMetric.Config(path=str(vgg)))
    same, other = (metric(subject, case) for subject in (mesh_ball(), Nothing()))
    assert same.values["distance"] < 1e-3 < 10 * same.values["distance"] + 1e-3 < other.values["distance"]
    assert same.facts["views"] == 1 and len(same.facts["sha256"]) == 64
