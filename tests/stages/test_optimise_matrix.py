"""One step of every objective, every score and every prior; which go together is tested in test_assembly."""

import dataclasses
import gc
from itertools import product
from pathlib import Path

import pytest
import torch

from maquette import registry
from maquette.cameras import orbit_cameras
from maquette.config.capabilities import PICTURE
from maquette.config.parts import ObjectiveSpec, PriorSpec, check, plain
from maquette.data.formats import PosedImages, save_posed_images
from maquette.data.formats.captioned import CaptionedViews
from maquette.errors import ConfigError
from maquette.images.picture import Picture
from maquette.priors.base import Prior
from maquette.priors.oracle.oracle import Oracle
from maquette.randomness import Draws, Moment
from maquette.stages.optimisation import Optimisation
from tasks import nowhere, prepared

OBJECTIVES, SCORES = registry.names("objective"), registry.names("score")
CODE_PATHS = [
    *product(OBJECTIVES, ("cfg",), ("pixels", "latents", "oracle")),
    *product(("sds",), sorted({*SCORES} - {"cfg", "cfg-two"}), ("pixels",)),
    ("dataset-update", "cfg-two", "edits"),
    *product(("sds",), ("cfg",), ("views", "pictures", "tiles", "gaussian", "t5", "xl", "controlled")),
    *product(("image-sds", "x0-reconstruction", "sdi"), ("cfg",), ("views",)),
    ("direct-sampling", "cfg", "tiles"),
    ("vsd", "cfg", "controlled"),
]
"""Objective, score and prior: each objective over colors, latents and a prior without a network, then the rest once."""
NETWORKS = ("pixels", "latents", "t5", "xl", "controlled")
QUICK = {
    "sdi": {"steps": 2}, "ism": {"stride": 0.5}, "direct-sampling": {"steps": 5},
    "dataset-update": {"every": 1, "steps": 2},
}  # fmt: skip
STAGE = {
    "geometry": {"type": "voxel-grid", "resolution": 8, "channels": 4, "blob": "magic3d"},
    "material": "plain",
    "background": {"type": "textured", "height": 2, "width": 4},
    "renderer": {"type": "volume", "samples": 12, "occupancy": {"resolution": 4}},
    "cameras": {"type": "random-orbit", "batch": 2, "size": 12, "distance": [3.0, 3.2]},
}
LATENTS = {"material": "latent", "background": {"type": "textured", "height": 2, "width": 4, "channels": 4}}
SIX = {
    "type": "list", "azimuth_deg": [30, 90, 150, 210, 270, 330], "elevation_deg": [20, -10], "distance": [3.0],
    "size": 8,
}  # fmt: skip
"""Cameras of the prior that knows no others."""


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """Objective -> the stage it is tried in, with known pictures: with cameras, unless it looks at the pictures."""
    turns = torch.tensor([0.0, 90.0, 180.0, 270.0])
    cameras = orbit_cameras(turns, 0 * turns, 0 * turns + 3, 0 * turns + 40, 12)
    images = torch.rand(4, 12, 12, 4, generator=torch.Generator().manual_seed(0))
    folder = tmp_path_factory.mktemp("views")
    save_posed_images(folder, PosedImages(Picture.from_rgba(images), cameras, ("train",) * 4, tuple("abcd")))
    data = {"type": "posed-images", "path": str(folder), "batch": 2, "references": {"a": 1.0}}
    orbiting = {**STAGE, "data": data}
    known = {key: value for key, value in orbiting.items() if key != "cameras"}
    return {**dict.fromkeys(OBJECTIVES, orbiting), "dataset-update": known}


@pytest.fixture(scope="module")
def priors(
    tiny_pixel_model: Path,
    tiny_stable_diffusion: Path,
    tiny_multi_view: Path,
    tiny_zero123: Path,
    tiny_zero123plus: Path,
    tiny_edits: Path,
    tiny_if: Path,
    tiny_xl: Path,
    tiny_control: Path,
) -> dict[str, tuple[dict, Prior]]:
    """Name -> how the prior is written in a config, and the prior, loaded once for all tests."""
    cpu = {"dtype": "float32", "device": "cpu"}
    specs = {
        "views": {"type": "mvdream", "path": str(tiny_multi_view), "views": 2, "view_dependent": True, **cpu},
        "pictures": {"type": "zero123", "path": str(tiny_zero123), **cpu},
        "tiles": {"type": "zero123plus", "path": str(tiny_zero123plus), "layout": "v1.2", **cpu},
        "edits": {"type": "instruct-pix2pix", "path": str(tiny_edits), **cpu},
        "pixels": {"type": "stable-diffusion", "path": str(tiny_pixel_model), **cpu},
        "latents": {"type": "stable-diffusion", "path": str(tiny_stable_diffusion), **cpu},
        "xl": {"type": "stable-diffusion-xl", "path": str(tiny_xl), **cpu},
        "controlled": {
            "type": "controlnet", "path": str(tiny_stable_diffusion), "controlnet": str(tiny_control),
            "control": "normal", **cpu,
        },
        "t5": {"type": "deepfloyd-if", "path": str(tiny_if), **cpu},
        "gaussian": {"type": "gaussian", "means": {"a red mug": [0.8, 0.2, 0.2]}},
    }  # fmt: skip
    made = {name: (spec, check(PriorSpec, spec, "prior", nowhere).build()) for name, spec in specs.items()}
    turns = torch.tensor([0.0, 90.0, 180.0, 270.0])
    views = orbit_cameras(turns, 0 * turns, 0 * turns + 3, 0 * turns + 40, 8)
    pictures = torch.rand(4, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    oracle = Oracle(
        Oracle.Config(spread=0.2, device="cpu"), CaptionedViews.from_pictures({"a red mug": pictures}, views)
    )
    return {**made, "oracle": ({"type": "oracle", "spread": 0.2}, oracle)}


def guidance(objective: str, score: str, prior: str, priors) -> dict:
    """How the combination is written, with settings that fit the prior."""
    settings = {"vsd": {"copy": "lora" if prior in NETWORKS else "copy"}} | QUICK
    spec = {"type": objective, **settings.get(objective, {})}
    if prior in ("views", "tiles") and "timesteps" in field_names(objective):
        spec["timesteps"] = {"type": "uniform", "shared": True}
    return {"prior": priors[prior][0], "score": score, "objective": spec}


def field_names(objective: str) -> set[str]:
    """Of its settings."""
    return {field.name for field in dataclasses.fields(registry.get("objective", objective).Config)}


def fitted(stage: dict, prior: str) -> dict:
    """The stage with cameras that the prior takes."""
    return {**stage, "cameras": SIX} if prior == "tiles" else stage


def step(task: Optimisation, index: int = 3) -> dict[str, float]:
    """One optimisation step; what it would log."""
    optimiser = torch.optim.Adam(task.parameters(), lr=0.1)
    terms = task.terms(Moment(index, 10, Draws(0, index)))
    terms.total().backward()
    optimiser.step()
    return dict(terms.values())


@pytest.mark.parametrize(("objective", "score", "prior"), CODE_PATHS)
def test_one_step_has_finite_gradients(objective, score, prior, priors, stages):
    spec = guidance(objective, score, prior, priors)
    task = prepared({**fitted(stages[objective], prior), "guidance": {"one": spec}}, priors[prior][1])
    if list(task.auxiliary.parameters()):
        step(task, 2)  # a copy that has learned nothing yet may agree with its prior
    values = step(task)
    assert all(torch.tensor(value).isfinite() for value in values.values())
    for parameter in task.parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all() and parameter.isfinite().all()
    assert sum(float(parameter.grad.abs().sum()) for parameter in task.scene.parameters()) > 0


@pytest.mark.parametrize(
    ("objective", "prior"),
    [
        *product(OBJECTIVES, ("latents",)),
        *product(("sds",), ("pixels", "views", "pictures", "tiles", "oracle", "gaussian")),
        ("dataset-update", "edits"),
    ],
)
def test_a_step_leaves_nothing_behind(objective, prior, priors, stages):
    gc.freeze()  # `tensors` need not look at what was there before
    stage = fitted(stages[objective], prior)
    task = prepared({**stage, "guidance": {"one": guidance(objective, "cfg", prior, priors)}}, priors[prior][1])
    step(task, 3)  # what is found out once is found out now
    before = tensors()
    step(task, 4)
    after = tensors()
    gc.unfreeze()
    assert 0 < before == after


def tensors() -> int:
    """How many are alive that were made since `gc.freeze`; one that holds on to a graph is among them."""
    return sum(
        issubclass(type(found), torch.Tensor) for found in gc.get_objects()
    )  # a dead weak proxy has no isinstance


def compares_pictures(objective: str) -> bool:
    """Whether an objective has no use for latents."""
    spec = check(ObjectiveSpec, objective, "objective", nowhere)
    return PICTURE in spec.capabilities.needs


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if compares_pictures(name)])
def test_latents_are_refused_where_pictures_are_compared(objective, priors, stages):
    spec = guidance(objective, "cfg", "latents", priors)
    with pytest.raises(ConfigError, match="compares pictures, but material 'latent' draws latents"):
        prepared({**stages[objective], **LATENTS, "guidance": {"one": spec}}, priors["latents"][1])


@pytest.mark.parametrize("objective", [name for name in OBJECTIVES if not compares_pictures(name)])
def test_latents_are_pulled_without_the_autoencoder(objective, priors, stages, monkeypatch):
    spec = guidance(objective, "cfg", "latents", priors)
    task = prepared({**stages[objective], **LATENTS, "guidance": {"one": spec}}, priors["latents"][1])
    step(task, 2)  # the grid of latents is found out once
    for name in ("encode", "decode"):
        monkeypatch.setattr(priors["latents"][1], name, _unwanted)
    step(task)
    assert all(parameter.grad.isfinite().all() for parameter in task.parameters())


def _unwanted(*pictures: torch.Tensor) -> torch.Tensor:
    raise AssertionError("this goes through the autoencoder for nothing")


ASKED = {
    "sds": ["cfg"], "sjc": ["cfg"], "vsd": ["cfg"], "x0-reconstruction": ["cfg"], "image-sds": ["cfg"],
    "sdi": [*["inversion"] * 2, "cfg"], "ism": [*["inversion"] * 3, "cfg"],
    "direct-sampling": ["cfg"] * 5, "dataset-update": ["cfg"] * 2,
}  # fmt: skip
"""What an objective asks the prior for in a step: what the score needs, or what its way up to the noise does."""


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_is_asked_or_decoded_that_is_not_used(objective, priors, stages, monkeypatch):
    spec, prior = guidance(objective, "cfg", "latents", priors), priors["latents"][1]
    settings = {"timesteps": {"type": "uniform", "low": 0.6, "high": 0.6, "shared": True}, "start": 1.0}
    spec["objective"].update({name: value for name, value in settings.items() if name in field_names(objective)})
    task = prepared({**stages[objective], "guidance": {"one": spec}}, prior)
    predict, decode, asked, decoded = prior.predict, prior.decode, [], []

    def counting(noisy, steps, conditions, cameras):
        asked.append(frozenset(conditions))
        return predict(noisy, steps, conditions, cameras)

    monkeypatch.setattr(prior, "predict", counting)
    monkeypatch.setattr(prior, "decode", lambda latents: decoded.append(1) or decode(latents))
    step(task)
    inversion = frozenset({"positive", "unconditional"} if objective == "sdi" else {"unconditional"})
    wanted = {"cfg": frozenset({"positive", "unconditional"}), "inversion": inversion}
    assert asked == [wanted[name] for name in ASKED[objective]]
    pictures = objective in ("image-sds", "dataset-update", "direct-sampling")  # those are compared as pictures
    assert len(decoded) == pictures


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ({"type": "sds", "timesteps": {"low": 20, "high": 980}}, r"timesteps\.low: must be from 0 to 1, and not 20"),
        ({"type": "sds", "timesteps": {"low": -0.1}}, r"timesteps\.low: must be from 0 to 1, and not -0\.1"),
        ({"type": "sds", "timesteps": {"high": [[0, 0.9], [10, 9]]}}, r"high: must be from 0 to 1, and not 9"),
        ({"type": "sds", "timesteps": {"low": 0.6, "high": 0.4}}, r"low \(0.6\) lies above high \(0.4\)"),
        ({"type": "sds", "timesteps": {"type": "time-prioritised", "width": 0}}, "width: must be above 0"),
        ({"type": "sds", "threshold": -1}, "threshold: must be at least 0"),
        ({"type": "vsd", "gradient_clip": -1}, "gradient_clip: must be at least 0"),
        ({"type": "ism", "interval": 2.0}, "interval: must be "),
        ({"type": "sdi", "eta": -1}, "eta: must be from 0 to 1"),
        ({"type": "x0-reconstruction", "views": 0}, "views: must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(objective, reason):
    with pytest.raises(ConfigError, match=reason):
        check(ObjectiveSpec, objective, "objective", nowhere)


def test_pictures_of_one_level_are_denoised_together_whatever_draws_it():
    check(ObjectiveSpec, {"type": "dataset-update", "timesteps": {"type": "linear"}}, "objective", nowhere)
    with pytest.raises(ConfigError, match=r"timesteps.shared: images are denoised together"):
        check(ObjectiveSpec, {"type": "dataset-update", "timesteps": {"shared": False}}, "objective", nowhere)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_config_with_all_its_defaults_reads_back(objective):
    spec = check(ObjectiveSpec, objective, "objective", nowhere)
    assert check(ObjectiveSpec, plain(spec), "objective", nowhere) == spec
