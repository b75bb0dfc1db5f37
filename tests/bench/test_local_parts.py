"""Suites whose methods, or metrics, are in local files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from maquette import registry
from maquette.bench.measuring import SuiteMetrics
from maquette.bench.records import find_records, read_record
from maquette.bench.submissions import pack
from maquette.bench.suites import Suite, load_suite
from maquette.bench.units import suite_unit, suite_units
from maquette.bench.verifying import verify
from maquette.cli.app import app
from maquette.errors import ConfigError
from maquette.plugins.local import SOURCE, UNREAD
from maquette.testing.scaffold import part_source
from maquette.weights.hashes import content_hash
from tiny_suite import METHOD, SUITE, write_suite

WITH_LOSS = "stages.nerf.losses.mine={weight: 0.1}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the tiny suite, of one method and one case, and a local loss."""
    write_suite(tmp_path)
    text = SUITE.replace("  other: {method: ./tiny.yaml, overrides: [stages.nerf.steps=6]}\n", "")
    (tmp_path / "pictures.yaml").write_text(
        "\n".join(line for line in text.splitlines() if not line.startswith("  - {image: square"))
    )
    (tmp_path / "mine.py").write_text(part_source("mine", "loss"))
    monkeypatch.chdir(tmp_path)
    registry.forget_declared(lambda declaration: declaration.source != SOURCE)  # what another test imported
    return tmp_path


def names_its_file(folder: Path) -> Suite:
    """The suite, whose method names the local loss by `plugins`."""
    (folder / "tiny.yaml").write_text(
        METHOD.replace("rgb: {weight: 1.0}", "rgb: {weight: 1.0}, mine: {weight: 0.1}") + "plugins: [./mine.py]\n"
    )
    return load_suite("pictures.yaml")


def bench(*words: str) -> str:
    result = CliRunner().invoke(app, ["bench", "run", "pictures.yaml", "--executor", "inline", *words])
    assert result.exit_code == 0, result.output
    return result.output


def record_of(folder: Path):
    (record,) = [one for one in map(read_record, find_records(folder / "outputs/results")) if one.source == "run"]
    return record


@pytest.mark.slow
def test_a_suite_runs_a_method_that_names_a_local_loss(folder):
    names_its_file(folder)
    bench("stages.nerf.loop.log_every=1")
    record = record_of(folder)
    assert record.status == "done" and record.manifest["inputs"]["mine.py"] == content_hash(folder / "mine.py")
    (metrics,) = folder.glob("outputs/bench/**/metrics.jsonl")
    assert "loss/mine" in json.loads(metrics.read_text().splitlines()[-1])


@pytest.mark.slow
def test_a_suite_runs_with_a_local_loss_that_is_given_in_processes(folder):
    result = CliRunner().invoke(app, ["bench", "run", "pictures.yaml", WITH_LOSS, "--parts", "mine.py"])
    assert result.exit_code == 0, result.output
    assert record_of(folder).status == "done"
    (config,) = folder.glob("outputs/bench/**/config.yaml")
    assert "mine" in config.read_text()


def test_the_configuration_hash_follows_the_content_of_a_local_file_and_not_its_place(folder):
    suite = load_suite("pictures.yaml")
    hashes = []
    for name in ("mine.py", "moved.py", "changed.py"):
        text = part_source("mine", "loss") + ("# another\n" if name == "changed.py" else "")
        (folder / name).write_text(text)
        (unit,) = suite_units(suite, folder / "runs", [WITH_LOSS], parts=[folder / name])
        hashes.append(unit.config_hash)
        assert unit.words[-2:] == ("--parts", str(folder / name))
    assert hashes[0] == hashes[1] != hashes[2]


def test_overrides_of_a_suite_may_name_parts_that_are_given(folder):
    text = (folder / "pictures.yaml").read_text()
    (folder / "pictures.yaml").write_text(text + f"\noverrides: ['{WITH_LOSS}', 'stages.nerf.data.path=disc.png']\n")
    with pytest.raises(ConfigError, match="mine"):
        load_suite("pictures.yaml")
    suite = load_suite("pictures.yaml", [folder / "mine.py"])
    (unit,) = suite_units(suite, folder / "runs", parts=[folder / "mine.py"])
    assert unit.fingerprint.config["stages"]["nerf"]["losses"]["mine"]["weight"]


def test_a_metric_of_a_local_file_measures_a_suite_and_an_edited_one_measures_the_baselines_anew(folder):
    suites = []
    for comment in ("", "# another\n"):
        (folder / "size.py").write_text(part_source("size", "metric") + comment)
        (folder / "pictures.yaml").write_text(
            (folder / "pictures.yaml").read_text().partition("metrics:")[0] + "metrics:\n  size: {}\n"
        )
        suites.append(SuiteMetrics.build(load_suite("pictures.yaml", [folder / "size.py"])).versions)
    assert suites[0]["size"] != suites[1]["size"] == content_hash(folder / "size.py")


def test_what_is_not_to_be_imported_is_not(folder):
    suite = names_its_file(folder)
    (folder / "mine.py").write_text(part_source("mine", "loss") + "\nraise SystemExit\n")
    with pytest.raises(ConfigError, match=r"the method 'tiny' has parts in local files, .*: --parts mine\.py"):
        suite_unit(suite, "tiny", suite.cases[0], 1, folder / "runs", (), UNREAD)


@pytest.mark.slow
def test_records_of_local_parts_are_verified_with_the_files_alone(folder):
    suite = names_its_file(folder)
    bench()
    work, results = folder / "work", folder / "outputs" / "results"
    with pytest.raises(ConfigError, match=r"the record tiny, disc, seed 1 has .* give them: --parts mine\.py"):
        verify(results, suite, work)
    verdict = verify(results, suite, work, rerun=1, executor="inline", parts=[folder / "mine.py"])
    assert verdict.errors == [] and verdict.trust == 2
    (folder / "mine.py").write_text(part_source("mine", "loss") + "# another\n")
    messages = [one.message for one in verify(results, suite, work, parts=[folder / "mine.py"]).errors]
    assert messages == ["its local parts in mine.py are not those that are given: the content differs"]


@pytest.mark.slow
def test_a_given_file_counts_for_the_records_that_had_it(folder):
    """Of a suite of which one method alone names the file."""
    (folder / "mine.yaml").write_text("extends: ./tiny.yaml\nplugins: [mine.py]\n")
    text = (folder / "pictures.yaml").read_text()
    (folder / "pictures.yaml").write_text(
        text.replace("seeds:", f"  other: {{method: ./mine.yaml, overrides: ['{WITH_LOSS}']}}\nseeds:")
    )
    bench()
    results, suite = folder / "outputs" / "results", load_suite("pictures.yaml")
    assert verify(results, suite, folder / "work", parts=[folder / "mine.py"]).errors == []
    assert pack(results, suite, folder / "mine.zip", parts=[folder / "mine.py"]).records == 2
