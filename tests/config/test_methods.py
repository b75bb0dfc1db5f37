"""Every method that ships loads with every prior that fits it."""

from pathlib import Path

import pytest

from maquette.config import load_method

METHODS = sorted(path.stem for path in (Path(__file__).parents[2] / "configs" / "methods").glob("*.yaml"))
CONTROLS = ("controlnet-depth", "controlnet-normal", "controlnet-canny")
NOVEL_VIEWS = ("zero123", "zero123-xl", "stable-zero123")
PRIORS = {
    "dreamfusion": ("nano", "sd15", "sd21", "sdxl", "deepfloyd-if", *CONTROLS),
    "instructnerf2nerf": ("nano", "instruct-pix2pix"),
    "fit-multiview": (),
    "mvdream": ("mvdream",),
    "zero123": NOVEL_VIEWS,
    "zero123-sjc": NOVEL_VIEWS,
    "dreamgaussian-image": NOVEL_VIEWS,
    "magic123": ("sd15", "sd21"),
    "textmesh": ("nano", "sd15", "deepfloyd-if"),
}
REPRESENTATIONS = {"fit-multiview": ("volume", "gaussians", "dmtet")}


def choices() -> list[tuple[str, str]]:
    """Method and the group that is chosen for it."""
    priors = [(name, f"prior={prior}") for name in METHODS for prior in PRIORS.get(name, ("nano", "sd15", "sd21"))]
    return priors + [(name, f"representation={kind}") for name in METHODS for kind in REPRESENTATIONS.get(name, ())]


@pytest.mark.parametrize(("method", "group"), choices())
def test_a_method_loads(method, group, tmp_path):
    picture = tmp_path / "picture.png"
    picture.touch()
    resolved = load_method(method, ["prompt=a red mug", f"data={tmp_path}", f"image={picture}", group])
    assert resolved.method.name == method and resolved.method.summary
