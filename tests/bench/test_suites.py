"""Suites: what their files may say, and how what is relative to them is read."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from maquette.bench.suites import Bar, check_bars, load_suite
from maquette.bench.units import suite_units
from maquette.errors import ConfigError
from tiny_run import TINY_METHOD
from tiny_suite import write_suite

SUITE = """
method: {method}
overrides: ["~stages.export"]
seeds: [1]
cases:
  - {{prompt: a red mug, labels: {{category: mug}}}}
  - {{prompt: "a fish: blue", labels: {{category: fish}}}}
metrics:
  r-precision:
    scorer: nano-clip
    views: 2
    supersampling: 1
    levels: [category]
    captions: {{a red mug: {{category: mug}}}}
bars: {{r-precision@1/category: {{at_least: 0.4}}}}
"""


def written(folder: Path) -> Path:
    """The suite and its method as files."""
    (folder / "tiny.yaml").write_text(TINY_METHOD)
    path = folder / "pair.yaml"
    path.write_text(SUITE.format(method=folder / "tiny.yaml"))
    return path


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.mark.parametrize(
    ("method", "place"),
    [("../methods/tiny.yaml", "methods/tiny.yaml"), ("./near.yaml", "suites/near.yaml"), ("near", "suites/near.yaml")],
)
def test_the_method_of_a_suite_is_relative_to_the_suite(method, place, tmp_path, monkeypatch):
    for folder in ("methods", "suites"):
        (tmp_path / folder).mkdir()
    (tmp_path / place).write_text(TINY_METHOD)
    (tmp_path / "suites" / "pair.yaml").write_text(SUITE.format(method=method))
    monkeypatch.chdir(tmp_path)
    suite = load_suite("suites/pair.yaml")
    assert Path(suite.method).is_absolute() and Path(suite.method).samefile(tmp_path / place)
    assert suite_units(suite, tmp_path / "runs")[0].stages == ("nerf",)


def test_a_suite_whose_method_is_not_beside_it_names_the_line(tmp_path):
    (tmp_path / "pair.yaml").write_text(SUITE.format(method="./tiny.yaml"))
    with pytest.raises(ConfigError, match=r"method: there is no such file: \./tiny\.yaml \(.*pair\.yaml:2\)"):
        load_suite(str(tmp_path / "pair.yaml"))


def test_overrides_of_a_suite_that_can_be_no_paths_are_left_alone(tmp_path):
    words = [f"prompt={'a' * 5000}", "prompt=$NOPE", "prompt=a\0b", "seed=1", "prompt="]
    text = SUITE.format(method="dreamfusion").replace('["~stages.export"]', json.dumps(words))
    (tmp_path / "pair.yaml").write_text(text)
    assert load_suite(str(tmp_path / "pair.yaml")).overrides == words


def test_paths_in_the_overrides_and_metrics_of_a_suite_are_relative_to_it(tmp_path, monkeypatch):
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "start.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (tmp_path / "suites" / "clip").mkdir()
    text = SUITE.format(method="textmesh").replace("nano-clip", "./clip")
    start = '"stages.texture.geometry={type: mesh}", stages.texture.geometry.path=start.obj, negative_prompt=start.obj'
    (tmp_path / "suites" / "pair.yaml").write_text(text.replace('"~stages.export"', start))
    monkeypatch.chdir(tmp_path)
    suite = load_suite("suites/pair.yaml")
    assert suite.overrides[1:] == [
        f"stages.texture.geometry.path={tmp_path}/suites/start.obj", "negative_prompt=start.obj",
    ]  # fmt: skip
    assert suite.metrics["r-precision"].config.scorer == str(tmp_path / "suites" / "clip")


def test_bad_suites_name_the_line(suite_file, tmp_path):
    suite_file.write_text(suite_file.read_text().replace("seeds:", "sedes:"))
    with pytest.raises(ConfigError, match="sedes"):
        load_suite(str(suite_file))
    with pytest.raises(ConfigError, match="nano-text"):
        load_suite("nano-txet")
    suite_file.write_text(yaml.safe_dump({"cases": [], "method": "m", "metrics": {}}))
    with pytest.raises(ConfigError, match="needs cases"):
        load_suite(str(suite_file))


def test_a_bar_on_what_no_metric_measures_is_refused():
    with pytest.raises(ConfigError, match=r"bars.r-precision@1/categroy: .* did you mean 'r-precision@1/category'"):
        check_bars({"r-precision@1/categroy": Bar(at_least=0.4)}, {"r-precision@1/category": "higher"})


COLUMNS = SUITE.replace(
    "method: {method}",
    "methods: {{tiny: {{method: {method}}}, dreamfusion: {{overrides: [prior=nano], smaller: [seed=9]}}}}",
)


def test_columns_are_methods_with_overrides_of_their_own(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY_METHOD)
    (tmp_path / "pair.yaml").write_text(COLUMNS.format(method="./tiny.yaml"))
    suite = load_suite(str(tmp_path / "pair.yaml"))
    assert [column.method for column in suite.columns.values()] == [str(tmp_path / "tiny.yaml"), "dreamfusion"]
    units = suite_units(suite, tmp_path / "runs")
    assert [unit.label for unit in units] == [
        "tiny, a red mug, seed 1", "dreamfusion, a red mug, seed 1",
        "tiny, a fish: blue, seed 1", "dreamfusion, a fish: blue, seed 1",
    ]  # fmt: skip
    assert "prior=nano" in units[1].words and "prior=nano" not in units[0].words
    assert units[0].smaller is None and units[1].smaller.words[-1] == "seed=9"


def test_some_methods_and_the_first_cases_are_a_part_of_a_suite(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY_METHOD)
    (tmp_path / "pair.yaml").write_text(COLUMNS.format(method="./tiny.yaml"))
    suite = load_suite(str(tmp_path / "pair.yaml"))
    units = suite_units(suite, tmp_path, methods=["tiny"], limit=1)
    assert [unit.label for unit in units] == ["tiny, a red mug, seed 1"]
    with pytest.raises(ConfigError, match=r"the suite 'pair' has no method 'tinny'; did you mean 'tiny'"):
        suite_units(suite, tmp_path, methods=["tinny"])


def test_a_suite_with_two_cases_of_one_name_or_no_method_is_refused(tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY_METHOD)
    text = SUITE.format(method="./tiny.yaml")
    for change, message in (
        (("a fish: blue", "a red mug"), "two cases are called a-red-mug"),
        (("method: ./tiny.yaml", ""), "a suite has a method or methods"),
        (("method: ./tiny.yaml", "methods: {oracle: {method: ./tiny.yaml}}"), "oracle is the name of a baseline"),
    ):
        (tmp_path / "pair.yaml").write_text(text.replace(*change))
        with pytest.raises(ConfigError, match=message):
            load_suite(str(tmp_path / "pair.yaml"))


def test_the_digest_of_a_suite_follows_what_its_numbers_mean_and_not_where_it_is(suite, tmp_path):
    moved = load_suite(str(write_suite(tmp_path)))
    assert moved.digest == suite.digest and moved.title == "pictures@1"
    assert dataclasses.replace(moved, summary="another", bars={}).digest == suite.digest
    assert dataclasses.replace(moved, cases=moved.cases[:1]).digest != suite.digest
    assert dataclasses.replace(moved, protocol=dataclasses.replace(moved.protocol, align="box")).digest != suite.digest
    Path(moved.cases[0].image).write_bytes(Path(moved.cases[1].image).read_bytes())
    assert dataclasses.replace(moved).digest != suite.digest


def test_a_key_with_a_default_does_not_make_another_suite(suite, tmp_path):
    file = write_suite(tmp_path)
    text = file.read_text()
    file.write_text(text + "limits: {lost: 2}\n")
    assert load_suite(str(file)).digest == suite.digest
    file.write_text(text + "limits: {lost: 3}\n")
    assert load_suite(str(file)).digest != suite.digest
