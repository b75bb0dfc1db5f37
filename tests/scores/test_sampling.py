"""Priors make pictures out of noise: exact ones those that they know, six views of one, and again for the same seed."""

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.data.base import Reference
from maquette.data.formats.captioned import CaptionedViews
from maquette.images.picture import Picture
from maquette.priors.base import Request
from maquette.priors.oracle.camera_kernel import CameraKernel
from maquette.priors.oracle.oracle import Oracle
from maquette.priors.zero123plus.zero123plus import Zero123Plus
from maquette.randomness import Draws
from maquette.scores.cfg import CFG
from maquette.scores.csd import CSD
from maquette.scores.plain import Plain
from maquette.scores.sampling import sample_views

TURNS = torch.tensor([0.0, 90.0, 180.0, 270.0])
RING = orbit_cameras(TURNS, 0 * TURNS, 0 * TURNS + 3, 0 * TURNS + 40, 8)


def test_an_exact_prior_makes_the_pictures_that_it_knows_from_each_camera():
    pictures = torch.rand(4, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    told = Oracle.Config(spread=0.01, cameras=CameraKernel(), device="cpu")
    oracle = Oracle(told, CaptionedViews.from_pictures({"a mug": pictures}, RING))
    made = sample_views(oracle, Request("a mug"), RING, Plain(Plain.Config()), 20, Draws(0, 0))
    assert float((made - pictures).square().mean().sqrt()) < 0.02


def test_six_views_are_made_of_one_picture(tiny_zero123plus):
    prior = Zero123Plus(Zero123Plus.Config(path=str(tiny_zero123plus), layout="v1.1", dtype="float32", device="cpu"))
    rgb = torch.rand(1, 16, 16, 3, generator=torch.Generator().manual_seed(0))
    reference = Reference(Picture.opaque(rgb), RING[:1])
    cameras = prior.cameras(reference.cameras, distance=3.0)
    request, score = Request("", references=(reference,)), CFG(CFG.Config(scale=4.0))
    made, again, other = (
        sample_views(prior, request, cameras, score, 3, Draws(seed, 0), threshold=1.0) for seed in (0, 0, 1)
    )
    assert made.shape == (6, prior.size, prior.size, 3) and made.min() >= 0 and made.max() <= 1
    assert torch.equal(made, again) and not torch.equal(made, other)


def test_a_direction_is_no_way_to_a_picture():
    oracle = Oracle(Oracle.Config(device="cpu"), CaptionedViews.from_pictures({"a mug": torch.rand(4, 8, 8, 3)}, RING))
    with pytest.raises(ValueError, match="takes a noise prediction"):
        sample_views(oracle, Request("a mug"), RING, CSD(CSD.Config()), 5, Draws(0, 0))


@pytest.mark.parametrize("sampler", ["ddim", "euler-ancestral", "dpm-solver++"])
def test_every_sampler_makes_the_pictures_of_an_exact_prior(sampler):
    pictures = torch.rand(4, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    config = Oracle.Config(spread=0.01, cameras=CameraKernel(), device="cpu")
    oracle = Oracle(config, CaptionedViews.from_pictures({"a mug": pictures}, RING))
    score = Plain(Plain.Config())
    made = sample_views(oracle, Request("a mug"), RING, score, 20, Draws(0, 0), sampler=sampler)
    assert float((made - pictures).square().mean().sqrt()) < 0.02


@pytest.mark.parametrize("sampler", ["ddim", "euler-ancestral"])
def test_batches_change_no_picture_and_steps_are_counted(sampler):
    pictures = torch.rand(4, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    oracle = Oracle(Oracle.Config(spread=0.3, device="cpu"), CaptionedViews.from_pictures({"a mug": pictures}, RING))
    steps: list[int] = []

    def sample(batch: int) -> torch.Tensor:
        return sample_views(
            oracle, Request("a mug"), RING, Plain(Plain.Config()), 5, Draws(0, 0), sampler=sampler, batch=batch,
            after_step=lambda: steps.append(batch),
        )  # fmt: skip

    together = sample(0)
    for batch in (1, 3):
        torch.testing.assert_close(sample(batch), together)
    assert steps == [0] * 5 + [1] * 5 + [3] * 5
