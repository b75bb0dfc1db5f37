"""Every method that ships loads with its defaults and with every prior that fits it."""

from pathlib import Path

import pytest

from maquette.config import load_method, paths
from maquette.config.origins import load_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
METHODS = sorted(path.stem for path in (CONFIGS / "methods").glob("*.yaml"))
LAPTOP = sorted(path.stem for path in (CONFIGS / "laptop").glob("*.yaml"))
CONTROLS = ("controlnet-depth", "controlnet-normal", "controlnet-canny")
NOVEL_VIEWS = ("nano-zero123", "zero123", "zero123-xl", "stable-zero123")
PRIORS = {
    "dreamfusion": ("nano", "sd15", "sd21", "sdxl", "deepfloyd-if", *CONTROLS),
    "instructnerf2nerf": ("nano", "instruct-pix2pix"),
    "fit-multiview": (),
    "deep3d": (),
    "scenedreamer": (),
    "mvdream": ("nano-mvdream", "mvdream"),
    "zero123": NOVEL_VIEWS,
    "zero123-sjc": NOVEL_VIEWS,
    "dreamgaussian-image": NOVEL_VIEWS,
    "magic123": ("nano", "sd15", "sd21"),
    "textmesh": ("nano", "sd15", "deepfloyd-if"),
}
STEREO = {"deep3d": ("nano-deep3d", "depth", "flat")}
LANDSCAPES = {"scenedreamer": ("nano-landscape", "scenedreamer")}
REPRESENTATIONS = {"fit-multiview": ("volume", "gaussians", "dmtet")}


def choices() -> list[tuple[str, list[str]]]:
    """Method and the words that choose a group for it; none: its defaults."""
    groups = {
        name: [
            *(f"prior={prior}" for prior in PRIORS.get(name, ("nano", "sd15", "sd21"))),
            *(f"representation={kind}" for kind in REPRESENTATIONS.get(name, ())),
            *(f"stereo={kind}" for kind in STEREO.get(name, ())),
            *(f"landscape={kind}" for kind in LANDSCAPES.get(name, ())),
        ]
        for name in METHODS
    }
    return [(name, words) for name in METHODS for words in ([], *([group] for group in groups[name]))]


@pytest.mark.parametrize(("method", "words"), choices())
def test_a_method_loads(method, words, tmp_path):
    picture = tmp_path / "picture.png"
    picture.touch()
    resolved = load_method(method, ["prompt=a red mug", f"data={tmp_path}", f"image={picture}", *words])
    assert resolved.method.name == method and resolved.method.summary


@pytest.mark.parametrize("name", LAPTOP)
def test_a_laptop_file_is_for_a_method_and_choices_that_ship(name):
    assert name in {**paths.available("methods"), **paths.available("training")}
    for group, choices in load_yaml(CONFIGS / "laptop" / f"{name}.yaml")[0]["for"].items():
        assert set(choices) <= set(paths.available(paths.group_folder(group)))


def test_a_file_that_extends_dreamfusion_sets_its_steps(tmp_path):
    (tmp_path / "short.yaml").write_text("extends: dreamfusion\nstages: {nerf: {steps: 8}}\n")
    nerf = load_method(str(tmp_path / "short.yaml"), ["prompt=x"]).method.stages["nerf"].config
    assert (nerf.steps, nerf.geometry.config.levels) == (8, 8)
