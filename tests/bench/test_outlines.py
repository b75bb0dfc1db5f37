"""What the results of a suite say of the suite."""

from __future__ import annotations

import os

import pytest

from maquette.bench.board import read_board
from maquette.bench.outlines import keep_outline, read_outline
from maquette.errors import ConfigError


def test_a_run_of_a_suite_leaves_its_outline_which_the_board_has(suite, results):
    outline = read_outline(results / suite.title)
    assert outline is not None and outline.suite == suite.title
    assert outline.cases == [case.title for case in suite.cases]
    assert read_board(results / suite.title).outline == outline


def test_a_board_has_its_cases_in_the_order_of_the_suite(suite, results):
    files = sorted(results.rglob("result.json"), key=lambda file: suite.cases[0].title in file.read_text())
    for time, file in enumerate(files):
        os.utime(file, (time, time))
    assert list(read_board(results / suite.title).cases) == [case.title for case in suite.cases]


def test_an_outline_is_written_where_there_is_none_or_another(suite, tmp_path):
    assert read_outline(tmp_path / suite.title) is None
    file = keep_outline(suite, tmp_path)
    text = file.read_text()
    file.write_text(text.replace("pictures", "words"))
    assert keep_outline(suite, tmp_path).read_text() == text


def test_a_broken_outline_is_named(suite, tmp_path):
    keep_outline(suite, tmp_path).write_text("{")
    with pytest.raises(ConfigError, match="no outline of a suite"):
        read_outline(tmp_path / suite.title)
