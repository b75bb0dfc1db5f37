"""A fingerprint changes with all that a result depends on, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from maquette.config.loading import load_method
from maquette.training.fingerprint import Fingerprint, fingerprint

METHOD = {
    "prompt": "a red mug",
    "stages": {
        "nerf": {
            "type": "optimise", "steps": 2, "cameras": {"type": "random-orbit"}, "geometry": "voxel-grid",
            "material": "plain", "background": "solid", "renderer": "volume",
            "losses": {"opacity": {"weight": 1.0}},
        },
    },
}  # fmt: skip


def method(folder: Path, *overrides: str, **changes: object) -> Fingerprint:
    path = folder / "method.yaml"
    path.write_text(yaml.safe_dump({**METHOD, **changes}))
    return fingerprint(load_method(str(path), overrides))


def test_the_same_configuration_has_the_same_digest_wherever_it_writes(tmp_path: Path) -> None:
    assert method(tmp_path).digest == method(tmp_path, "output=elsewhere").digest
    assert len(method(tmp_path).digest) == 32


@pytest.mark.parametrize(
    "word", ["prompt=a blue mug", "seed=1", "stages.nerf.steps=3", "stages.nerf.losses.opacity.weight=2"]
)
def test_every_setting_changes_the_digest(tmp_path: Path, word: str) -> None:
    assert method(tmp_path).digest != method(tmp_path, word).digest


def test_an_input_counts_by_its_content(tmp_path: Path) -> None:
    one, other = tmp_path / "one.png", tmp_path / "other.png"
    one.write_bytes(b"picture")
    other.write_bytes(b"picture")
    before = method(tmp_path, image=str(one))
    assert method(tmp_path, image=str(other)).digest != method(tmp_path).digest
    assert list(before.inputs) == [str(one)]
    assert method(tmp_path, image=str(other)).config == before.config  # moved, but the same
    one.write_bytes(b"another")
    assert method(tmp_path, image=str(one)).digest != before.digest


def test_a_folder_counts_by_the_content_of_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "posed"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "0.png").write_bytes(b"0")
    before = method(tmp_path, data=str(folder)).digest
    (folder / "images" / "1.png").write_bytes(b"1")
    after = method(tmp_path, data=str(folder)).digest
    (folder / "images" / "1.png").rename(folder / "images" / "2.png")
    assert len({before, after, method(tmp_path, data=str(folder)).digest}) == 3


def test_weights_that_a_plugin_carries_count_by_their_content(tmp_path: Path) -> None:
    found = method(tmp_path, prior={"type": "text", "path": "nano-text"})
    assert list(found.inputs) == ["nano-text"] and len(found.inputs["nano-text"]) == 64


def test_a_prompt_is_never_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = method(tmp_path, prompt="mug").digest
    (tmp_path / "mug").write_text("a file of that name")
    assert method(tmp_path, prompt="mug").digest == before


def test_the_record_names_the_parts_distributions_with_their_sources(tmp_path: Path) -> None:
    record = method(tmp_path).record()
    assert set(record) == {"digest", "distributions", "inputs"} and set(record["distributions"]) == {"maquette"}


def test_the_folder_of_a_cache_is_no_input_whether_it_is_there_or_not(tmp_path: Path) -> None:
    def training(cache: Path | str) -> Fingerprint:
        word = f"stages.nano-landscape.dataset.cache={cache}"
        return fingerprint(load_method("nano-landscape", [word], folder="training"))

    before = training(tmp_path / "cache").digest
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "0.png").write_bytes(b"picture")
    assert training(tmp_path / "cache").digest == before == training("elsewhere").digest
