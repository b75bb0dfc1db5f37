"""Every objective with every score over priors of pixels and of latents: one step each, or a reason why not."""

from pathlib import Path

import pytest
import torch

from maquette import registry
from maquette.config.parts import ObjectiveSpec, PriorSpec, check, plain
from maquette.config.schema import MethodConfig
from maquette.errors import ConfigError
from maquette.priors.base import Prior
from maquette.randomness import Draws
from maquette.runs.folder import RunFolder
from maquette.scene import Scene
from maquette.stages._optimisation import Guide, Optimisation
from maquette.stages.base import StageContext
from maquette.stages.optimise import Guidance, Optimise

OBJECTIVES, SCORES, PRIORS = registry.names("objective"), registry.names("score"), ("pixels", "latents")
QUICK = {"sdi": {"steps": 3}, "ism": {"stride": 0.4}, "direct-sampling": {"steps": 8}}
STAGE = {
    "geometry": {"type": "voxel-grid", "resolution": 8, "channels": 4, "blob": "magic3d"},
    "material": "plain",
    "background": {"type": "textured", "height": 2, "width": 4},
    "renderer": {"type": "volume", "samples": 16, "occupancy_resolution": 4},
    "cameras": {"type": "random-orbit", "batch": 2, "size": 16, "distance": [3.0, 3.2]},
}
SENSELESS = {("direct-sampling", "csd"), ("direct-sampling", "nfsd")}
"""Denoising step by step along a direction."""


def nowhere(key: str) -> None:
    """Nothing here was written in a file."""


@pytest.fixture(scope="module")
def priors(tiny_pixel_model: Path, tiny_stable_diffusion: Path) -> dict[str, tuple[dict, Prior]]:
    """Name -> how the prior is written in a config, and the prior, loaded once for all tests."""
    specs = {
        name: {"type": "stable-diffusion", "path": str(path), "dtype": "float32"}
        for name, path in zip(PRIORS, (tiny_pixel_model, tiny_stable_diffusion), strict=True)
    }
    return {name: (spec, check(PriorSpec, spec, "prior", nowhere).build()) for name, spec in specs.items()}


def step(spec: dict, prior, tmp_path: Path, stage: dict) -> tuple[dict[str, float], list[torch.Tensor]]:
    """One optimisation step; the loss terms, and the parameters with their gradients."""
    config = check(Optimise.Config, {**stage, "guidance": {"one": spec}, "steps": 10}, "stage", nowhere)
    torch.manual_seed(0)
    geometry = config.geometry.build()
    scene = Scene(
        geometry, config.material.build(), config.background.build(), config.renderer.build(bound=geometry.bound),
        config.view,
    )  # fmt: skip
    method = MethodConfig(stages={"x": None}, prompt="a red mug")
    context = StageContext("x", method, RunFolder(tmp_path), resume=False)
    task = Optimisation(scene, {"one": Guide(config.guidance["one"], prior, method)}, None, config, context)
    optimiser = torch.optim.Adam(task.parameters(), lr=0.1)
    terms = task.terms(3, Draws(0, 3))
    terms.total().backward()
    optimiser.step()
    return terms.values(), list(task.parameters())


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_step_has_finite_gradients_or_a_reason_not_to_be(objective, score, prior, priors, tmp_path):
    spec = {"prior": priors[prior][0], "score": score, "objective": {"type": objective, **QUICK.get(objective, {})}}
    if (objective, score) in SENSELESS:
        with pytest.raises(ConfigError, match=r"takes a noise prediction, but score .* gives a direction"):
            check(Guidance, spec, "guidance", nowhere)
        return
    values, parameters = step(spec, priors[prior][1], tmp_path, STAGE)
    assert all(torch.tensor(value).isfinite() for value in values.values())
    for parameter in parameters:
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.isfinite().all()
    assert sum(float(parameter.grad.abs().sum()) for parameter in parameters) > 0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_latents_are_pulled_without_the_autoencoder(objective, priors, tmp_path):
    spec = {"prior": priors["latents"][0], "score": "cfg", "objective": {"type": objective, **QUICK.get(objective, {})}}
    stage = {**STAGE, "material": "latent", "background": {"type": "textured", "height": 2, "width": 4, "channels": 4}}
    if registry.get("objective", objective).wants_picture:
        with pytest.raises(ConfigError, match="compares pictures, but material 'latent' draws latents"):
            step(spec, priors["latents"][1], tmp_path, stage)
        return
    _, parameters = step(spec, priors["latents"][1], tmp_path, stage)
    assert all(parameter.grad.isfinite().all() for parameter in parameters)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_config_with_all_its_defaults_reads_back(objective):
    spec = check(ObjectiveSpec, objective, "objective", nowhere)
    assert check(ObjectiveSpec, plain(spec), "objective", nowhere) == spec
