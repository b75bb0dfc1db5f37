"""The speed benchmarks: every way of a work gives the same, the record is whole, and the page is in step with it."""

from __future__ import annotations

import dataclasses
import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from bench_all import CONTESTS
from bench_hash_grid import NERFSTUDIO
from bench_nano_world import FLOOR
from contests import Contest
from table import PAGE, RESULTS, markdown, with_table
from timing import alternate
from torch import Tensor

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
OTHER_WORK = (NERFSTUDIO, FLOOR)  # its table has other rows (test_independent_hash_grid.py compares it); it is a bound


def tensors(result: Any) -> list[Tensor]:
    """All tensors of a result, in order."""
    if isinstance(result, Tensor):
        return [result]
    if dataclasses.is_dataclass(result):
        result = [getattr(result, field.name) for field in dataclasses.fields(result)]
    return [tensor for part in result for tensor in tensors(part)] if isinstance(result, list | tuple) else []


@pytest.mark.parametrize("contest", CONTESTS, ids=lambda contest: contest.name)
def test_all_ways_give_the_same(contest: Contest):
    results = {way: contest.prepare(way, **contest.small)() for way in contest.ways}
    first = tensors(results[contest.ways[0]])
    for way in contest.ways:
        if way not in OTHER_WORK:
            for ours, theirs in zip(first, tensors(results[way]), strict=True):
                torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)


def test_works_take_turns_and_the_first_round_is_not_counted():
    turns: list[str] = []
    times = alternate([lambda: turns.append("a"), lambda: turns.append("b")], rounds=2, seconds=60)
    assert turns == ["a", "b"] * 3
    assert [len(rounds) for rounds in times] == [2, 2]


def test_time_that_is_up_still_leaves_three_rounds():
    assert len(alternate([lambda: None], rounds=7, seconds=0)[0]) == 3


@pytest.mark.slow
def test_a_script_writes_what_it_measured(tmp_path, monkeypatch, capsys):
    written = tmp_path / "new" / "results.json"
    options = ["--small", "--rounds", "1", "--only", "marching", "--json", str(written)]
    monkeypatch.setattr(sys, "argv", ["bench_volume.py", *options])
    runpy.run_path(str(BENCHMARKS / "bench_volume.py"), run_name="__main__")
    printed = capsys.readouterr().out
    record = json.loads(written.read_text())
    assert record["machine"]["processor"] and record["machine"]["threads"] and record["versions"]["torch"]
    assert list(record["contests"]) == ["marching"]
    ways = record["contests"]["marching"]["ways"]
    slower = ways["reference"]["median_ms"] / ways["numba"]["median_ms"]
    assert ways["reference"]["times_as_long"] == pytest.approx(slower, abs=0.1)
    assert markdown(record) in printed and "Tiny sizes" in printed


def test_the_committed_results_hold_every_contest():
    recorded = json.loads(RESULTS.read_text())["contests"]
    assert list(recorded) == [contest.name for contest in CONTESTS]


def test_the_page_is_in_step_with_the_committed_results():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page, json.loads(RESULTS.read_text())), "run `python benchmarks/table.py`"


def test_the_page_names_files_and_contests_that_exist():
    page = PAGE.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:bench|peers)_\w+\.py)`", page) + re.findall(r"benchmarks/(\w+\.py)", page):
        assert (BENCHMARKS / name).is_file(), name
    for name in re.findall(r"^\| ([a-z-]+) \|", page.partition("## How")[0], re.MULTILINE):
        assert name in [*(contest.name for contest in CONTESTS), "work"], name
