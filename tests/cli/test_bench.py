"""The commands of suites: what they refuse, before anything runs."""

from __future__ import annotations

import io

from rich.console import Console
from typer.testing import CliRunner

from maquette.bench import table_formats, tables
from maquette.bench.records import Record
from maquette.bench.running import UnitRow
from maquette.bench.suites import load_suite
from maquette.bench.units import suite_units
from maquette.cli.app import app
from maquette.cli.progress import progress_bar, units_table
from maquette.runs.progress import Progress
from tiny_suite import write_suite


def test_bench_run_inline_runs_one_at_a_time(tmp_path):
    refused = CliRunner().invoke(app, ["bench", "run", str(write_suite(tmp_path)), "--executor", "inline", "-j", "2"])
    assert refused.exit_code == 2 and "one at a time" in refused.output and not (tmp_path / "outputs").exists()


def test_bench_run_names_the_nearest_method(tmp_path):
    refused = CliRunner().invoke(app, ["bench", "run", str(write_suite(tmp_path)), "--methods", "tniy"])
    assert refused.exit_code == 2 and "did you mean 'tiny'" in refused.output


def test_bench_table_without_records_says_how_to_make_some(tmp_path):
    words = ["bench", "table", str(write_suite(tmp_path)), "--results", str(tmp_path / "none")]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2 and "maquette bench run SUITE" in refused.output


def test_bench_table_into_a_folder_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "read_table", lambda *words: None)
    monkeypatch.setattr(table_formats, "format_table", lambda *words: "a table")
    refused = CliRunner().invoke(app, ["bench", "table", str(write_suite(tmp_path)), "--out", str(tmp_path)])
    assert refused.exit_code == 2 and f"cannot write {tmp_path}" in refused.output


def test_the_live_table_has_a_line_for_each_method(tmp_path):
    suite = load_suite(str(write_suite(tmp_path)))
    units = suite_units(suite, tmp_path / "runs")
    ended = UnitRow(
        units[0], Record("s@1", "d", "tiny", "c", "disc", 1, "run", "done", costs={"seconds": 2.0}), False, tmp_path
    )
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(units_table(Progress(units, [ended]), len(units)))
    lines = console.export_text().splitlines()
    assert lines[0].startswith("1 of 4 runs, eta ")
    assert [line.split() for line in lines[2:]] == [["tiny", "1", "0", "1", "2.0"], ["other", "0", "0", "2"]]


def test_progress_prints_nothing_before_the_first_run_has_ended(capsys):
    with progress_bar("suite", 2) as show:
        show(Progress([]))
    assert capsys.readouterr().err == ""
