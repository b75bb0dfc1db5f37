"""Claims of papers at the smallest scale, on sets of 8 x 8 pictures: rows 10 and 14 of the matrix of claims."""

import pytest
import torch
from toy_views import AZIMUTHS, COLOURS, thing

from maquette.data.base import Reference
from maquette.data.formats.captioned import CaptionedViews
from maquette.images.picture import Picture
from maquette.objectives.base import Objective
from maquette.objectives.sds import SDS
from maquette.objectives.x0_reconstruction import X0Reconstruction
from maquette.priors.base import Request
from maquette.priors.oracle.camera_kernel import CameraKernel
from maquette.priors.oracle.oracle import Oracle
from maquette.randomness import Draws, Moment
from maquette.scores.base import Score
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from maquette.scores.plain import Plain
from views import around, rendering

ORANGE = (0.8, 0.5, 0.1)
BEHIND = 180.0
Pull = tuple[float, Objective, Score, Oracle, Request]
"""Weight, and what pulls."""


def oracle(colours: dict[str, tuple[float, float, float]], **config) -> Oracle:
    views = CaptionedViews.from_pictures(
        {caption: thing(colour) for caption, colour in colours.items()}, around(*AZIMUTHS)
    )
    return Oracle(Oracle.Config(spread=0.2, device="cpu", **config), views)


def distilled(pulls: list[Pull], count: int, steps: int = 150) -> torch.Tensor:
    """Pictures optimised under the sum of several pulls, each for itself, as seen from behind."""
    views = around(*[BEHIND] * count)
    rgb = (0.4 + 0.2 * Draws(0, 0).uniform("start", count, 8, 8, 3)).requires_grad_(True)
    optimiser = torch.optim.Adam([rgb], 0.05)
    asked = [prior.condition(request).at(views) for *_, prior, request in pulls]
    for step in range(steps):
        optimiser.zero_grad()
        for i, (weight, objective, score, prior, _) in enumerate(pulls):
            draws = Draws(0, step).sub(str(i))
            terms = objective(rendering(rgb), Denoiser(prior, score, asked[i], views), Moment(step, steps, draws))
            (weight * terms.total()).backward()
        optimiser.step()
    return rgb.detach()


@pytest.mark.claims
def test_two_priors_together_find_the_unknown_objects_back_and_neither_alone_does():
    # row 10, MG-1: the 2D prior knows the orange thing, but not where one stands, and mostly its face; the 3D prior is
    # told reference and camera, but never saw anything orange
    flat = oracle({**COLOURS, "an orange thing": ORANGE}, front_bias=0.8, view_prompt_weight=0.0)
    posed = oracle(COLOURS, cameras=CameraKernel(10))
    sds, plain = SDS(SDS.Config(weighting="uniform")), Plain(Plain.Config())
    front, _, back, _ = thing(ORANGE)
    seen = Request("", references=(Reference(Picture.opaque(front[None]), around(0.0)),))
    errors = {}
    for share in (0.0, 0.5, 0.6, 0.7, 1.0):
        pulls = [(1 - share, sds, plain, flat, Request("an orange thing")), (share, sds, plain, posed, seen)]
        errors[share] = float((distilled(pulls, 32) - back).square().mean(dim=(1, 2, 3)).sqrt().mean())
    alone = min(errors[0.0], errors[1.0])
    assert max(errors[share] for share in (0.5, 0.6, 0.7)) < 0.75 * alone


def chroma(rgb: torch.Tensor) -> float:
    """Mean difference of a pixel's largest and smallest colour, cut to [0, 1]: saturation times value."""
    rgb = rgb.clamp(0, 1)
    return float((rgb.amax(-1) - rgb.amin(-1)).mean())


def test_rescaled_guidance_saturates_less():
    prior, red, score = oracle(COLOURS), Request("a red thing"), CFG(CFG.Config(scale=50.0))
    plain, rescaled = (
        distilled([(1.0, X0Reconstruction(X0Reconstruction.Config(rescale=rescale)), score, prior, red)], 2, 30)
        for rescale in (0.0, 1.0)
    )
    assert chroma(plain) > chroma(rescaled) + 0.05


@pytest.mark.claims
@pytest.mark.parametrize("scale", [20.0, 50.0])
def test_rescaling_keeps_strong_guidance_from_saturating_and_loses_nothing(scale):
    # row 14, MV-5
    prior, back, red = oracle(COLOURS), thing(COLOURS["a red thing"])[2], Request("a red thing")
    score, wrong, error = CFG(CFG.Config(scale=scale)), [], []
    for rescale in (0.0, 0.5, 1.0):
        objective = X0Reconstruction(X0Reconstruction.Config(rescale=rescale))
        found = distilled([(1.0, objective, score, prior, red)], 16)
        wrong.append(chroma(found) - chroma(back))
        error.append(float((found - back).square().mean().sqrt()))
    assert wrong[0] > wrong[1] > wrong[2] and abs(wrong[2]) < 0.3 * wrong[0]
    assert error[0] > error[1] > error[2]
