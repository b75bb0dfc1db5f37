"""The examples of docs/mvdream.md run as the page shows them."""

import yaml

from maquette.config.parts import BackgroundSpec, CamerasSpec, PriorSpec, check
from maquette.stages.optimise import Guidance
from project import examples


def test_the_python_example_runs(tiny_multi_view):
    names: dict = {}
    exec("\n".join(examples("mvdream", "python")).replace("nano-mvdream", str(tiny_multi_view)), names)
    assert names["conditions"]["positive"].shape[0] == 4


def test_the_yaml_examples_are_valid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sd-v2.1-base-4view.pt").touch()
    single, method = (yaml.safe_load(text) for text in examples("mvdream", "yaml"))

    def nowhere(key: str) -> None:
        """Nothing here was written in a file."""

    check(PriorSpec, single["prior"], "prior", nowhere)
    check(CamerasSpec, method["cameras"], "cameras", nowhere)
    check(BackgroundSpec, method["background"], "background", nowhere)
    check(Guidance, method["guidance"]["views"], "guidance", nowhere)
