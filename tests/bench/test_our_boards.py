"""The boards that the project ships: records that nobody changed, of the suites as they are, and their site."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from maquette.bench.board import read_board
from maquette.bench.records import find_records, read_record
from maquette.bench.site import PAGES, SCRIPTS, board_data, slug_of, unit_place
from maquette.bench.suites import load_suite
from maquette.bench.verdicts import read_trust
from project import ROOT

REBUILD = 'maquette leaderboard build benchmarks/boards --out docs/boards --faces 2000 --title "maquette\'s boards"'
SITE = ROOT / "docs" / "boards"
BOARDS = sorted((ROOT / "benchmarks" / "boards").glob("*@*"))
each_board = pytest.mark.parametrize("folder", BOARDS, ids=lambda folder: folder.name)


def test_the_site_has_the_scripts_that_a_new_one_would_have():
    for script in SCRIPTS:
        ours = (SITE / script).read_text(encoding="utf-8")
        assert ours == (PAGES / script).read_text(encoding="utf-8"), f"build it again: {REBUILD}"


@each_board
def test_records_are_of_the_suite_as_it_is_and_a_sample_of_each_method_was_run_anew(folder: Path):
    suite = load_suite(folder.name.partition("@")[0])
    records = [read_record(path) for path in find_records(folder)]
    assert {record.suite_digest for record in records} == {suite.digest}
    assert {record.method for record in records} - {"oracle", "trivial"} <= set(suite.columns)
    trust = read_trust(folder)
    assert {trust.get(record.digest) for record in records if record.source == "run"} == {2}


@each_board
def test_no_unit_of_a_case_is_missing(folder: Path):
    board = read_board(folder)
    assert [row.name for row in board.methods if row.count("missing")] == []


@each_board
def test_the_site_has_these_records_with_pictures_of_all(folder: Path):
    place = SITE / slug_of(folder.name)
    written = json.loads((place / "board.json").read_text(encoding="utf-8"))
    units = [unit for row in written["rows"] for unit in row["units"]]
    assert all("v" in unit["files"] for unit in units if unit["state"] == "done")
    board = read_board(folder, read_trust(folder))
    held = {unit["place"]: unit["files"] for unit in units}
    files = {
        id(unit): held[unit_place(unit).as_posix()]
        for row in board.rows
        for unit in row.units
        if unit.record is not None
    }
    assert board_data(board, files) == written
