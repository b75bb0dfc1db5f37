"""Known pictures, changed one by one by a prior whose every step is known."""

import pytest
import torch

from closed_form import CONDITIONS, TOTAL, Gaussian, flow
from maquette.config.parts import part
from maquette.config.schedules import Schedule
from maquette.data.base import Data, Target
from maquette.images.picture import Picture
from maquette.objectives.dataset_update import DatasetUpdate
from maquette.objectives.terms import Terms
from maquette.priors.base import Request
from maquette.randomness import Draws, Moment
from maquette.scores.denoiser import Denoiser
from maquette.scores.plain import Plain
from views import front, rendering

PLAIN, MEAN, AT = Plain(Plain.Config()), CONDITIONS["positive"], 400
KNOWN = torch.rand(3, 4, 4, 3, generator=torch.Generator().manual_seed(0))
DRAWN = torch.rand(1, 4, 4, 3, generator=torch.Generator().manual_seed(1))
FIXED = part("timesteps", "uniform", low=Schedule.constant(AT / 1000), high=Schedule.constant(AT / 1000), shared=True)


class ThreePictures(Data):
    """Pictures that cover a half, in front of whatever is there."""

    def prepare(self, device) -> None:
        pass

    def sample(self, moment) -> Target:
        return self.all()

    def held_out(self):
        raise AssertionError("nothing is measured here")

    def all(self) -> Target:
        return Target(front(3), Picture(KNOWN, torch.full_like(KNOWN[..., :1], 0.5)), indices=torch.arange(3))


def one(place: int) -> Target:
    chosen = torch.tensor([place])
    return Target(front(1), ThreePictures().all().picture[chosen], indices=chosen)


def objective(**config) -> DatasetUpdate:
    made = DatasetUpdate(DatasetUpdate.Config(**{"timesteps": FIXED, "steps": AT, **config}))
    made.prepare(Gaussian(), Request("x"), ThreePictures())
    return made


def terms(
    asked: DatasetUpdate, place: int, step: int, rgb: torch.Tensor = DRAWN, prior: Gaussian | None = None
) -> Terms:
    source = prior or Gaussian()
    return asked(
        rendering(rgb), Denoiser(source, PLAIN, CONDITIONS, front(1)), Moment(step, TOTAL, Draws(0, step)), one(place)
    )


def edited(step: int) -> torch.Tensor:
    """Where the probability flow takes the noised rendering, as a picture."""
    prior = Gaussian()
    alpha, sigma = (float(level) for level in prior.noise_schedule.alpha_sigma(torch.tensor([AT])))
    z = prior.encode(DRAWN)
    noisy = alpha * z + sigma * Draws(0, step).normal("noise", *z.shape)
    return prior.decode(flow(prior, noisy, MEAN, (alpha, sigma), (1.0, 0.0))).clamp(0, 1)


def test_where_no_edit_is_due_it_is_plain_regression_on_the_known_picture():
    found = terms(objective(), place=1, step=3)
    wanted = (DRAWN - (0.5 * KNOWN[1:2] + 0.5)).abs().mean()  # in front of white
    torch.testing.assert_close(found.losses["dataset-update"], wanted)
    assert found.logs == {"edited": 0.0}


def test_an_edit_is_the_noised_rendering_denoised_and_stays():
    asked = objective()
    first = terms(asked, place=1, step=10)
    assert first.logs == {"timestep": AT, "edited": pytest.approx(1 / 3)}
    later = terms(asked, place=1, step=13)
    for found, tolerance in ((first, 0.01), (later, 0.01)):
        wanted = (DRAWN - edited(step=10)).abs().mean()
        assert float(found.losses["dataset-update"]) == pytest.approx(float(wanted), abs=tolerance)
    untouched = terms(asked, place=2, step=14)
    torch.testing.assert_close(untouched.losses["dataset-update"], (DRAWN - (0.5 * KNOWN[2:] + 0.5)).abs().mean())


def test_only_the_rendering_has_a_gradient():
    rgb = DRAWN.clone().requires_grad_(True)
    asked = objective(metric="l2")
    terms(asked, 0, 10, rgb).total().backward()
    wanted = 2 * (DRAWN - asked._edited.pictures[:1].float() / 255) / DRAWN.numel()
    torch.testing.assert_close(rgb.grad, wanted)


def test_the_prior_is_told_the_picture_as_it_was_at_first():
    class Told(Gaussian):
        """Keeps what it is told."""

        def with_source_picture(self, conditions, rgb):
            self.rgb = rgb
            return conditions

    asked, prior = objective(steps=2), Told()
    for step in (0, 10, 20):
        terms(asked, place=2, step=step, prior=prior)
        torch.testing.assert_close(prior.rgb, 0.5 * KNOWN[2:] + 0.5)


def test_edited_pictures_are_state():
    asked = objective(steps=2)
    terms(asked, place=1, step=10)
    again = objective(steps=2)
    again._edited.load_state_dict(asked._edited.state_dict())
    assert terms(again, 1, 11).losses == terms(asked, 1, 11).losses


def test_one_level_for_all_pictures_of_a_step():
    with pytest.raises(ValueError, match="images are denoised together, from one timestep"):
        DatasetUpdate.Config(timesteps=part("timesteps", "uniform"))
