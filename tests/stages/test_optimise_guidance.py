"""What guidance sees of a rendering, and which guidance a stage refuses."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from command_line import logged, run_folder
from maquette.cli.app import app
from maquette.config import load_method
from maquette.config.parts import check
from maquette.errors import ConfigError
from maquette.materials.base import Shading
from maquette.renderers.base import Rendering
from maquette.stages.guidance import build_guidance
from maquette.stages.optimise import Guidance
from views import around

FROM_THE_LEFT = around(90.0, size=2)
LATENT = ["stages.nerf.material=latent", "stages.nerf.geometry.channels=4"]
TEXTURE = "stages.nerf.background={type: textured, height: 4, width: 4, channels: 4}"


def load(tiny_run: list[str], *overrides: str):
    """The stage's config with overrides."""
    return load_method("dreamfusion", ["prompt=a red mug", *tiny_run, *overrides]).method


def run(words: list[str]) -> list[dict]:
    small = ["stages.nerf.loop.log_every=1", "~stages.export"]
    return logged(run_folder("run", "dreamfusion", "prompt=a red mug", *words, *small))


def picture() -> Rendering:
    """One pixel that is hit, half covered, from the left, and one that is not."""
    opacity = torch.tensor([0.5, 0.0]).view(1, 1, 2, 1)
    normal = opacity * torch.tensor([0.0, 1.0, 0.0])
    rgb = torch.rand(1, 1, 2, 3)
    return Rendering(rgb, opacity, opacity, normal, None, Shading(), rgb)


def looks(tiny_run: list[str], *overrides: str):
    method = load(tiny_run, *overrides)
    return build_guidance(method.stages["nerf"].config.guidance, method)


def test_by_default_the_picture_is_seen(tiny_run):
    rendering = picture()
    assert looks(tiny_run)["sds"].select_input(rendering, FROM_THE_LEFT) is rendering


def test_normals_are_seen_as_a_picture_on_grey(tiny_run):
    seen = looks(tiny_run, "stages.nerf.guidance.sds.input=normal")["sds"].select_input(picture(), FROM_THE_LEFT)
    torch.testing.assert_close(seen.rgb[0, 0], torch.tensor([[0.5, 0.75, 0.5], [0.5, 0.5, 0.5]]))


def test_normals_towards_the_camera_are_its_z(tiny_run):
    seen = looks(tiny_run, "stages.nerf.guidance.sds.input=camera-normal")["sds"].select_input(picture(), FROM_THE_LEFT)
    torch.testing.assert_close(seen.rgb[0, 0], torch.tensor([[0.5, 0.5, 0.75], [0.5, 0.5, 0.5]]), atol=1e-6, rtol=0)


def test_normals_and_mask_are_seen_as_latents(tiny_run):
    seen = looks(tiny_run, "stages.nerf.guidance.sds.input=normal-mask")["sds"].select_input(picture(), FROM_THE_LEFT)
    torch.testing.assert_close(seen.latents[0, 0], torch.tensor([[0.0, 0.5, 0.0, 0.5], [0.0, 0.0, 0.0, 0.0]]))


def test_a_prior_named_twice_is_loaded_once(tiny_run):
    method = load(tiny_run)
    first = method.stages["nerf"].config.guidance["sds"]
    guides = build_guidance({"one": first, "two": first}, method)
    assert guides["one"].prior is guides["two"].prior


def test_guidance_may_ask_for_something_else_than_the_method(tiny_run):
    own = looks(tiny_run, "stages.nerf.guidance.sds.prompt=a blue duck")["sds"]
    method = replace(load(tiny_run), prompt="a blue duck")
    asked = build_guidance(load(tiny_run).stages["nerf"].config.guidance, method)["sds"]
    texts = [guide.conditions.at(FROM_THE_LEFT)["positive"] for guide in (own, asked, looks(tiny_run)["sds"])]
    assert torch.equal(texts[0], texts[1]) and not torch.equal(texts[0], texts[2])


def test_normals_are_rendered_for_a_prior_that_sees_them(tiny_run):
    rows = run([*tiny_run, "stages.nerf.guidance.sds.input=normal", "stages.nerf.losses={}", "stages.nerf.steps=2"])
    assert all(row["loss/sds"] > 0 and row["gradient_norm"] > 0 for row in rows)


def test_guidance_whose_weight_is_zero_is_not_asked(tiny_run, tiny_pixel_model):
    late = {
        "prior": {"type": "stable-diffusion", "path": str(tiny_pixel_model), "dtype": "float32"},
        "score": "plain",
        "objective": "sds",
        "weight": {"type": "step", "from": 0.0, "to": 1.0, "start": 0, "end": 2},
    }
    rows = run([*tiny_run, "stages.nerf.steps=4", f"stages.nerf.guidance.late={json.dumps(late)}"])
    assert ["loss/late/sds" in row for row in rows] == [False, False, True, True]
    assert all("loss/sds" in row and "timestep" in row for row in rows)  # as without the second


def test_a_step_at_which_all_weights_are_zero_changes_nothing(tiny_run):
    weight = "stages.nerf.guidance.sds.weight=[[0, 0.0], [2, 0.0], [3, 1.0]]"
    rows = run([*tiny_run, "~stages.nerf.losses", weight, "stages.nerf.steps=4"])
    assert ["loss/sds" in row for row in rows] == [False, False, False, True]
    assert [row["gradient_norm"] > 0 for row in rows] == [False, False, False, True]


def test_latents_are_drawn_for_a_latent_prior(tiny_run, tiny_stable_diffusion):
    rows = run([*tiny_run, *LATENT, TEXTURE, f"prior.path={tiny_stable_diffusion}", "stages.nerf.steps=3"])
    assert len(rows) == 3 and all(row["loss/sds"] > 0 and row["gradient_norm"] > 0 for row in rows)


def test_a_prior_of_pixels_refuses_latents_when_it_first_sees_them(tiny_run):
    words = ["run", "dreamfusion", "prompt=a red mug", *tiny_run, *LATENT, TEXTURE, "~stages.export"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code != 0
    assert "has 4 latent channels, but the prior denoises 3" in f"{result.output} {result.exception}"


REFUSED = {
    "score 'weighted' needs sky, which prior 'stable-diffusion' does not give": [
        "stages.nerf.guidance.sds.score={type: weighted, weights: {sky: 1.0}}"
    ],
    "objective 'ism' needs sky, which prior 'stable-diffusion' does not give": [
        "stages.nerf.guidance.sds.objective={type: ism, inversion: {type: weighted, weights: {sky: 1.0}}}"
    ],
    "objective 'direct-sampling' takes a noise prediction, but score 'csd' gives a direction": [
        "stages.nerf.guidance.sds.score=csd", "stages.nerf.guidance.sds.objective=direct-sampling"
    ],
    "objective 'image-sds' compares pictures, but input: normal-mask gives latents": [
        "stages.nerf.guidance.sds.objective=image-sds", "stages.nerf.guidance.sds.input=normal-mask"
    ],
    "objective 'image-sds' compares pictures, but material 'latent' draws latents": [
        *LATENT, TEXTURE, "stages.nerf.guidance.sds.objective=image-sds"
    ],
    "material 'latent' draws 4 latent channels, but background 'solid' draws colour.*; a background that fits: .*4": [
        *LATENT, "stages.nerf.background=solid"
    ],
    "material 'latent' draws 4 latent channels, but background 'textured' draws 8 latent channels": [
        *LATENT, "stages.nerf.background={type: textured, channels: 8}"
    ],
    "material 'plain' draws colour, but background 'textured' draws 4 latent channels": [
        "stages.nerf.material=plain", TEXTURE
    ],
    "material 'latent' draws latents, which renderer 'splat' does not.*; renderers that do: volume": [
        *LATENT, TEXTURE, "stages.nerf.geometry={type: gaussians, channels: 4}", "stages.nerf.renderer=splat",
        "stages.nerf.losses={}",
    ],
}  # fmt: skip


@pytest.mark.parametrize("reason", list(REFUSED))
def test_what_does_not_go_together_is_refused_with_the_reason(reason, tiny_run):
    with pytest.raises(ConfigError, match=reason):
        load(tiny_run, *REFUSED[reason])


def test_the_refusal_names_the_place():
    spec = {"prior": {"type": "gaussian", "means": {"": [0, 0, 0]}}, "score": "csd", "objective": "direct-sampling"}
    with pytest.raises(ConfigError, match=r"^guidance\.x: objective"):
        check(Guidance, spec, "guidance.x", lambda key: None)
