"""Score distillation via inversion."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from jaxtyping import Float, Int
from torch import Tensor

from maquette.config.capabilities import NOISE_PREDICTION, Capabilities
from maquette.config.parts import ScoreSpec, part_field
from maquette.config.schedules import Schedule
from maquette.diffusion.ddim import ddim_alpha_sigma, invert
from maquette.diffusion.timesteps import Timesteps
from maquette.objectives.base import Pull, PullConfig, Weighting, draw_timesteps, weigh
from maquette.randomness import Moment
from maquette.registry import register
from maquette.scores.base import Score
from maquette.scores.denoiser import Denoiser

FALLING = Schedule(((0, 0.98), ("100%", 0.02)))


@register("objective", "sdi")
class SDI(Pull):
    """Gradient w(t) (e_hat(alpha z + sigma k; y, t) - k): `sds` with the noise k that leads to this very picture.

    k is found by deterministic steps upwards from z to a level a little above t, with a negative guidance scale:
    k = (z_(t + tau) - alpha z) / sigma, tau drawn from one step. Timesteps fall linearly.

    Source: Lukoianov et al. 2024 (SDI, arXiv 2405.15891), sec. 4; scales, steps, eta and w = sigma / alpha from its
    code.
    """

    @dataclass(frozen=True)
    class Config(PullConfig):
        timesteps: Timesteps = field(default_factory=lambda: Timesteps(low=FALLING, high=FALLING))
        weighting: Weighting = "x0"
        inversion: ScoreSpec = part_field("score", "cfg", scale=-7.5, base="text")  # what is asked on the way up
        steps: int = 10  # n, of a whole way up
        eta: float = 0.3  # share of the noise of ancestral sampling on the way up

        def __post_init__(self) -> None:
            super().__post_init__()
            if not 0 <= self.eta <= 1:
                raise ValueError(f"eta is from 0 to 1, not {self.eta:g}")
            if self.steps < 1:
                raise ValueError(f"the way up has at least 1 step, not {self.steps}")

    config: Config

    @classmethod
    def capabilities(cls, config: Config) -> Capabilities:
        own = super().capabilities(config).needing(*config.inversion.capabilities.needs)
        return replace(own, inner={"inversion": frozenset({NOISE_PREDICTION})})

    def __init__(self, config: Config) -> None:
        self.config = config
        self._inversion: Score = config.inversion.build()

    def gradient(
        self, clean: Float[Tensor, "B C h w"], denoiser: Denoiser, moment: Moment
    ) -> tuple[Float[Tensor, "B C h w"], Int[Tensor, " B"]]:
        c, prior = self.config, denoiser.prior
        levels = prior.noise_schedule.timesteps
        t = draw_timesteps(prior, len(clean), c.timesteps, moment)
        stride = max(levels // c.steps, 1)
        tau = moment.draws.integers("tau", 0, stride - 1, 1 if c.timesteps.same_for_all else len(clean)).to(t)
        above = (t + tau).clamp(min=1, max=levels - 1)
        inverted = invert(denoiser.with_score(self._inversion), clean, above, stride, c.eta, moment.draws)
        alpha_above, sigma_above = ddim_alpha_sigma(prior.noise_schedule, above)
        noise = (inverted - alpha_above * clean) / sigma_above
        alpha, sigma = prior.noise_schedule.alpha_sigma(t)
        residual = denoiser.noise(alpha * clean + sigma * noise, t, noise) - noise
        return weigh(c.weighting, alpha, sigma) * residual, t
