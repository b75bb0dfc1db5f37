"""The metrics of the reference view, beside closed forms and Magic123's own formula."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from coloured_ball import mesh_ball
from PIL import Image

from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.metrics._references import ReferenceView
from maquette.metrics.base import Case, check_truth, protocol_name
from maquette.metrics.refview import Refview, eight_bits
from maquette.metrics.refview_magic123 import RefviewMagic123, magic123_psnr
from maquette.metrics.subjects import Nothing, ViewsSubject

SIDE = 40


@pytest.fixture
def soft(tmp_path: Path) -> Path:
    """A picture of a square of which the left half is half transparent, all of one dark colour, transparent black."""
    rgba = np.zeros((SIDE, SIDE, 4), np.uint8)
    rgba[10:30, 10:20] = (40, 80, 120, 128)
    rgba[10:30, 20:30] = (40, 80, 120, 255)
    path = tmp_path / "soft.png"
    Image.fromarray(rgba).save(path)
    return path


def perfect(case: Case, **settings: float) -> ViewsSubject:
    """What renders the reference picture itself."""
    return ReferenceView(**settings).subject(case)


def test_refview_gives_a_perfect_rendering_the_best_figures(soft):
    case, metric = Case(image=str(soft)), Refview(Refview.Config(size=SIDE))
    values = metric(perfect(case, size=SIDE), case).values
    assert values == {
        "psnr": 100,
        "ssim": pytest.approx(1, abs=1e-3),
        "psnr_foreground": 100,
        "silhouette_iou": 1,
        "boundary_iou": 1,
    }
    assert set(values) == set(metric.directions())


def test_refview_magic123_caps_a_perfect_rendering_where_alpha_is_soft(soft):
    """The half transparent pixels are 25 % of 40 x 40 and differ by the white that is seen through them."""
    case = Case(image=str(soft))
    metric = RefviewMagic123(RefviewMagic123.Config(size=SIDE))
    through = [(255 - level) * (1 - 128 / 255) / 255 for level in (40, 80, 120)]
    expected = -10 * math.log10(np.mean(np.square(through)) * (20 * 10) / SIDE**2)
    measured = metric(perfect(case, size=SIDE, fill=0.0), case).values["psnr"]
    assert measured == pytest.approx(expected, abs=0.05) and measured < 20


def test_refview_magic123_is_the_formula_of_its_code(tmp_path):
    """Raw colours but white where alpha is 0, against the picture composited over white, at 800 pixels a side."""
    generator = np.random.default_rng(0)
    rgba = generator.integers(0, 256, (800, 800, 4), np.uint8)
    rgba[:300, :, 3] = 0
    rgba[500:, :, 3] = 255
    Image.fromarray(rgba).save(tmp_path / "a.png")
    alpha = rgba[..., 3:] / 255.0
    ours = np.round(rgba[..., :3] * alpha + 255 * (1 - alpha)) / 255
    truth = np.where(rgba[..., 3:] == 0, 255, rgba[..., :3]) / 255
    expected = -10 * np.log10(np.mean((ours - truth) ** 2))
    assert magic123_psnr(torch.from_numpy(ours).float(), tmp_path / "a.png") == pytest.approx(expected, abs=1e-4)


def test_nothing_at_all_scores_less_than_the_picture_in_both(soft):
    case = Case(image=str(soft))
    for metric in (Refview(Refview.Config(size=SIDE)), RefviewMagic123(RefviewMagic123.Config(size=SIDE))):
        assert (
            metric(Nothing(), case).values["psnr"]
            < metric(perfect(case, size=SIDE, fill=metric.config.fill), case).values["psnr"]
        )


def test_refview_of_a_ball_beside_its_own_picture(tmp_path):
    ball = mesh_ball()
    settings = {"size": 64, "fill": 0.0}
    cameras, _ = ReferenceView(**settings).read(Case(image=str(saved(ball_picture(tmp_path)))))
    picture = ball.render_cameras(cameras, normals=False).picture
    case = Case(image=str(saved(tmp_path / "own.png", picture)))
    assert Refview(Refview.Config(**settings))(ball, case).values["psnr"] > 45


def ball_picture(folder: Path) -> Path:
    return folder / "any.png"


def saved(path: Path, picture: Picture | None = None) -> Path:
    rgba = torch.ones(1, 64, 64, 4) if picture is None else picture.rgba
    Image.fromarray((255 * rgba[0]).round().byte().numpy()).save(path)
    return path


def test_eight_bits_keeps_what_is_seen_over_white():
    color = torch.rand(1, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    picture = Picture(color, torch.linspace(0, 1, 64).view(1, 8, 8, 1))
    assert torch.allclose(eight_bits(picture).over(1.0), (255 * picture.over(1.0)).round() / 255, atol=1e-6)


def test_names_of_values_have_the_protocol_and_its_version():
    assert protocol_name("refview", "refview", Refview) == "refview@2"
    assert protocol_name("refview-magic123", "refview-magic123", RefviewMagic123) == "refview.magic123@1"
    assert protocol_name("front", "refview", Refview) == "front.refview@2"


def test_references_that_a_case_lacks_are_asked_for():
    with pytest.raises(ConfigError, match="the case 'a mug' has no image, which a metric compares with"):
        check_truth(Refview(Refview.Config()), Case("a mug"))
