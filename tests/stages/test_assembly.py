"""Every rule of fit refuses what breaks it, with the reason and the remedy, and builds nothing."""

import re
from dataclasses import replace

import pytest

from maquette import registry
from maquette.config.parts import PartSpec, check
from maquette.errors import ConfigError
from maquette.priors.base import Prior
from maquette.stages.assembly import GUIDANCE_RULES, STAGE_RULES, with_defaults
from maquette.stages.fit_page import fit_page, priors, refusals
from maquette.stages.guidance import Guidance
from maquette.stages.optimise import Optimise
from maquette.stages.sampling_rules import SAMPLE_RULES
from project import page

MODEL = {"path": "org/model"}
CONTROLNET = {"type": "controlnet", **MODEL, "controlnet": "org/control", "control": "depth"}
SHARED = {"shared": True}


def guidance(prior: dict, score="cfg", objective="sds", **settings) -> Guidance:
    spec = {"prior": prior, "score": score, "objective": objective, **settings}
    return check(Guidance, spec, "guidance.x", lambda key: None)


def test_fit_page_says_what_the_rules_do():
    assert page("fit") == fit_page(), "write it anew: python -m maquette.stages.fit_page docs/fit.md"


def test_every_rule_is_on_the_page():
    assert all(
        rule.__doc__ and f"- {rule.__doc__.strip()}\n" in page("fit")
        for rule in (*GUIDANCE_RULES, *SAMPLE_RULES, *STAGE_RULES)
    )


def test_nothing_is_built_to_know_what_fits(monkeypatch):
    def unwanted(*args, **kwargs):
        raise AssertionError("a part was built")

    for kind in ("prior", "score", "objective"):
        for name in registry.names(kind):
            monkeypatch.setattr(registry.get(kind, name), "__init__", unwanted)
    assert sum(why is None for prior in priors() for why in refusals(prior).values()) > 100


REFUSED = {
    r"score 'cfg-two' needs image, which prior 'stable-diffusion' does not give; it gives empty, front": (
        {"type": "stable-diffusion", **MODEL}, "cfg-two", "sds"
    ),
    r"score 'nfsd' needs empty, which prior 'instruct-pix2pix' does not give": (
        {"type": "instruct-pix2pix", **MODEL}, "nfsd", "dataset-update"
    ),
    r"score 'perp-neg' needs front, interpolated, side, which prior 'mvdream' .*view_dependent: true": (
        {"type": "mvdream", **MODEL}, "perp-neg", {"type": "sds", "timesteps": SHARED}
    ),
    r"objective 'vsd' needs viewless, which prior 'zero123' does not give": (
        {"type": "zero123", **MODEL}, "cfg", "vsd"
    ),
    r"objective 'vsd' takes a noise prediction, but score 'csd' gives a direction; scores that predict noise: cfg, ": (
        {"type": "stable-diffusion", **MODEL}, "csd", "vsd"
    ),
    r"objective 'vsd' trains a copy of kind 'lora', which prior 'oracle' does not make; it makes copy": (
        {"type": "oracle"}, "cfg", "vsd"
    ),
    r"a copy of kind 'copy', which prior 'mvdream' does not make; it makes none": (
        {"type": "mvdream", **MODEL}, "cfg", {"type": "vsd", "copy": "copy"}
    ),
    r"objective 'sdi': inversion needs a noise prediction, which score 'csd' does not give": (
        {"type": "oracle"}, "cfg", {"type": "sdi", "inversion": "csd"}
    ),
    r"objective 'vsd': base needs a trainable copy of kind 'lora', which prior 'oracle' does not give": (
        {"type": "stable-diffusion", **MODEL}, "cfg", {"type": "vsd", "base": {"type": "oracle"}}
    ),
    r"objective 'vsd': base needs the condition 'sky', which prior 'oracle' does not give": (
        {"type": "oracle"}, "cfg", {"type": "vsd", "copy": "copy", "condition": "sky", "base": {"type": "oracle"}}
    ),
    r"objective 'vsd': base needs a prior that does not go by the rendering, as 'controlnet' does": (
        {"type": "stable-diffusion", **MODEL}, "cfg", {"type": "vsd", "base": CONTROLNET}
    ),
    r"prior 'zero123plus' accepts only its own cameras, and objective 'dataset-update' uses": (
        {"type": "zero123plus", **MODEL, "layout": "v1.2"}, "cfg", "dataset-update"
    ),
    r"prior 'mvdream' denoises all views .* at one noise level, and objective 'ism' samples .*timesteps.shared: true": (
        {"type": "mvdream", **MODEL}, "cfg", "ism"
    ),
    r"prior 'zero123plus' denoises all views .* at one noise level, and objective 'sds' samples": (
        {"type": "zero123plus", **MODEL, "layout": "v1.2"}, "cfg", "sds"
    ),
    r"prior 'instruct-pix2pix' edits a picture, .*'sds' does not give it one; objectives that do: dataset-update": (
        {"type": "instruct-pix2pix", **MODEL}, "cfg", "sds"
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", list(REFUSED))
def test_guidance_that_does_not_go_together_is_refused(reason):
    with pytest.raises(ConfigError, match=f"^guidance.x: .*{reason}"):
        guidance(*REFUSED[reason])


@pytest.mark.parametrize(("objective", "input"), [("image-sds", "normal-mask"), ("dataset-update", "normal")])
def test_an_objective_that_compares_pictures_is_shown_some(objective, input):
    with pytest.raises(ConfigError, match="pictures"):
        guidance({"type": "oracle"}, objective=objective, input=input)


def test_a_prior_of_one_view_an_object_is_asked_at_any_levels():
    assert guidance({"type": "mvdream", **MODEL, "views": 1})


@pytest.mark.parametrize("prior", [{"type": "stable-diffusion", **MODEL}, {"type": "mvdream", **MODEL}, CONTROLNET])
def test_views_are_not_played_off_where_the_text_has_no_words_for_them(prior):
    objective = {"type": "sds", "timesteps": SHARED}
    assert guidance({**prior, "view_dependent": True}, "perp-neg", objective)
    with pytest.raises(ConfigError, match=r"'perp-neg' needs front, interpolated, side.*view_dependent: true"):
        guidance({**prior, "view_dependent": False}, "perp-neg", objective)


@pytest.mark.parametrize("prior", priors(), ids=lambda prior: prior.name)
def test_a_refusal_names_what_it_is_about(prior):
    for (objective, score), why in refusals(prior).items():
        assert why is None or re.search(rf"'({objective}|{score})'", why.message)


def test_a_part_of_another_package_is_judged_by_what_it_says_itself():
    class Muddled(Prior):
        @classmethod
        def capabilities(cls, config):
            return replace(priors()[0].capabilities, gives=frozenset({"condition:positive"}))

    judged = refusals(PartSpec("prior", "muddled", Muddled, None))
    assert judged["sds", "plain"] is None
    assert judged["sds", "cfg"].message == "score 'cfg' needs unconditional, which prior 'muddled' does not give"
    assert judged["sds", "cfg"].remedy == "it gives positive"


def test_a_part_with_required_settings_has_no_defaults():
    assert with_defaults("prior", "zero123") is None and with_defaults("score", "cfg") is not None


def test_a_prior_that_continues_a_picture_takes_data_that_names_one():
    stage = {
        "geometry": "voxel-grid", "material": "plain", "background": "solid", "renderer": "volume",
        "cameras": "random-orbit", "data": {"type": "posed-images", "path": "views"},
        "guidance": {"one": {"prior": {"type": "zero123", **MODEL}, "score": "cfg", "objective": "sds"}},
    }  # fmt: skip
    with pytest.raises(
        ConfigError, match=r"continues a picture, but data 'posed-images' gives none; .*data.references"
    ):
        check(Optimise.Config, stage, "stage", lambda key: None)
    stage["data"]["references"] = {"a": 1.0}
    assert check(Optimise.Config, stage, "stage", lambda key: None)
