"""How much the weights of two priors matter: row 10, MG-3, of the matrix of claims, on textures around a cylinder.

A view is the half of the texture that its camera sees. Beside the reference picture stand a 3D prior, which is told
that picture and the camera, and a 2D prior, which knows the same things but not where one stands, and mostly their
faces. Weights, guidance scales and threshold are those of the method magic123 with prior=nano.
"""

import pytest
import torch

from maquette.data.base import Reference
from maquette.data.formats.captioned import CaptionedViews
from maquette.images.picture import Picture
from maquette.objectives.sds import SDS
from maquette.priors.base import Prior, Request
from maquette.priors.oracle.camera_kernel import CameraKernel
from maquette.priors.oracle.oracle import Oracle
from maquette.randomness import Draws, Moment
from maquette.scores.cfg import CFG
from maquette.scores.denoiser import Denoiser
from views import around, rendering

COLOURS = {"a red thing": (0.8, 0.1, 0.1), "a blue thing": (0.1, 0.1, 0.8), "a green thing": (0.1, 0.7, 0.1)}
AZIMUTHS = torch.arange(8) * 45.0
SEEN, COLUMNS = 8, 16  # of a texture, by one camera and in all
TEXTURES = 16
FLAT, POSED = 0.2, 1.0  # default weights of the 2D and the 3D prior
REFERENCE = 0.4  # of the summed square difference of colours: 5000 of the mean over 64 x 64 pixels
FACTORS = (0.25, 1.0, 4.0)


def texture(colour: tuple[float, float, float]) -> torch.Tensor:
    """[8, 16, 3]: a face in the middle of what is seen from the front, a hatch behind."""
    made = torch.ones(8, COLUMNS, 3)
    made[1:7] = torch.tensor(colour)
    made[2:4, 2:6] = torch.tensor((1.0, 0.9, 0.1))
    made[4:6, 11:13] = torch.tensor((0.1, 0.1, 0.1))
    return made


def views(textures: torch.Tensor, azimuths: torch.Tensor) -> torch.Tensor:
    """Each texture [B, 8, 16, 3] from its azimuth [B, 8, 8, 3]."""
    first = (azimuths / 360 * COLUMNS).round().long()
    columns = (first[:, None] + torch.arange(SEEN)) % COLUMNS
    return textures[torch.arange(len(textures))[:, None], :, columns].transpose(1, 2)


def oracle(**config) -> Prior:
    pictures = {name: views(texture(colour).expand(8, -1, -1, -1), AZIMUTHS) for name, colour in COLOURS.items()}
    return Oracle(
        Oracle.Config(spread=0.2, device="cpu", **config),
        CaptionedViews.from_pictures(pictures, around(*AZIMUTHS.tolist())),
    )


def psnr_in_db(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    return -10 * (found.clamp(0, 1) - wanted).square().flatten(1).mean(dim=1).log10()


def distilled(flat_weight: float, posed_weight: float, steps: int = 200, count: int = TEXTURES) -> torch.Tensor:
    """PSNR of the half that the reference shows, and of the hidden half, of textures from different starts [2, B]."""
    truth, ahead = texture(COLOURS["a red thing"]), torch.zeros(count)
    reference = truth[:, :SEEN]
    flat, posed = oracle(front_bias=0.8, view_prompt_weight=0.0), oracle(cameras=CameraKernel(10))
    shown = Request("", references=(Reference(Picture.opaque(reference[None]), around(*ahead[:1].tolist())),))
    pulls = {
        "2d": (flat_weight, CFG(CFG.Config(scale=10, base="text")), flat, flat.condition(Request("a red thing"))),
        "3d": (posed_weight, CFG(CFG.Config(scale=3)), posed, posed.condition(shown)),
    }
    objective = SDS(SDS.Config(threshold=1.0))
    textures = (0.4 + 0.2 * Draws(0, 0).uniform("start", count, 8, COLUMNS, 3)).requires_grad_(True)
    optimiser = torch.optim.Adam([textures], 0.05)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = 0.05 * 0.1 ** (step / steps)
        draws = Draws(0, step)
        azimuths = AZIMUTHS[draws.integers("azimuth", 0, 7, count)]
        seen, where = rendering(views(textures, azimuths)), around(*azimuths.tolist())
        optimiser.zero_grad()
        loss = REFERENCE * (views(textures, ahead) - reference).square().sum() / count
        for name, (weight, score, prior, conditions) in pulls.items():
            if weight > 0:
                asked = conditions.at(where)
                terms = objective(seen, Denoiser(prior, score, asked, where), Moment(step, steps, draws.sub(name)))
                loss = loss + weight * terms.total()
        loss.backward()
        optimiser.step()
    found = textures.detach()
    return torch.stack([psnr_in_db(half, known) for half, known in zip(
        found.split(SEEN, dim=2), truth.split(SEEN, dim=1), strict=True
    )])  # fmt: skip


def variances(*weights: tuple[float, float]) -> torch.Tensor:
    """Of both halves' PSNR over the pairs of weights, for each texture [2, B]."""
    return torch.stack([distilled(*pair) for pair in weights]).var(dim=0)


def test_what_the_reference_shows_suffers_more_from_a_heavier_prior():
    for prior in ((1.0, 0.0), (0.0, 1.0)):
        light, heavy = (distilled(*(factor * weight for weight in prior), 60, 4)[0].mean() for factor in (0.1, 4.0))
        assert light > heavy + 3


@pytest.mark.claims
def test_alone_beside_the_reference_the_3d_prior_minds_its_weight_less_than_the_2d_prior():
    # as in the paper's table, in dB^2, mean and standard error over the 16 textures. Reference: 101 +- 6 for the 2D
    # prior (56, 45, 36 dB at the three weights), 42 +- 3 for the 3D prior (49, 41, 37 dB); hidden: 0.08 +- 0.03 and
    # 0.001. With three other seeds 103 to 106 and 36 to 41. From one default for both, 1, it would be 56 and 42.
    flat = variances(*((FLAT * factor, 0.0) for factor in FACTORS)).mean(dim=1)
    posed = variances(*((0.0, POSED * factor) for factor in FACTORS)).mean(dim=1)
    assert flat[0] > 1.5 * posed[0]
    assert flat[1] > 5 * posed[1]


@pytest.mark.claims
def test_together_the_hidden_half_minds_both_weights_alike_and_the_reference_minds_the_3d_priors_more():
    # MG-3 does not hold here. Where the reference does not reach, an optimiser without a scale sees nothing but the
    # ratio of the weights, and one sweep is the other reversed: 1.95 and 1.94 dB^2. What the reference shows is pulled
    # away from it by the stronger prior, which is the 3D one: 2.7 +- 0.6 for the 2D weight (41, 42, 40 dB), 22 +- 3 for
    # the 3D weight (46, 42, 37 dB); with three other seeds 4.3 to 5.6 and 16.4 to 16.8.
    flat = variances(*((FLAT * factor, POSED) for factor in FACTORS))
    posed = variances(*((FLAT, POSED * factor) for factor in FACTORS))
    torch.testing.assert_close(flat[1], posed[1], rtol=0.3, atol=0)  # of each texture; at most 17 % were found
    assert posed[0].mean() > 1.5 * flat[0].mean()
