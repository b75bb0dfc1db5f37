"""Tables of records: means, intervals, paired differences, and their forms."""

from __future__ import annotations

import csv
import io

import pytest

from maquette.bench.records import Record
from maquette.bench.suites import Bar
from maquette.bench.table_formats import cells, format_table
from maquette.bench.tables import make_table, read_table, summarise
from maquette.errors import ConfigError


def test_the_summary_has_an_interval_that_narrows_with_more_cases():
    few, many = ([[{"x": float(i % 2)}] for i in range(n)] for n in (8, 200))
    wide, narrow = (summarise(cases, {"x": Bar(at_least=0.9)}, {"x": "higher"})["x"] for cases in (few, many))
    assert wide["mean"] == narrow["mean"] == 0.5 and not wide["passed"]
    assert narrow["interval_95"][1] - narrow["interval_95"][0] < wide["interval_95"][1] - wide["interval_95"][0]


def test_seeds_are_averaged_before_cases_are_compared():
    """Two cases at 0 and 1 with a hundred seeds each tell as little about a third case as with one seed."""
    once = summarise([[{"x": 0.0}], [{"x": 1.0}]], {}, {"x": "higher"})
    often = summarise([[{"x": 0.0}] * 100, [{"x": 1.0}] * 100], {}, {"x": "higher"})
    assert once == often and once["x"]["interval_95"] == [0.0, 1.0]


def record(method: str, case: str, value: float, seed: int = 0, **more) -> tuple[Record, float]:
    """A record of one value, as if it was written in the order of the calls."""
    made = Record(
        "s@1", "d", method, more.pop("config_hash", "c"), case, seed, more.pop("source", "run"),
        more.pop("status", "done"),
        values={"psnr@1/psnr": value}, better={"psnr@1/psnr": "higher"}, **more,
    )  # fmt: skip
    return made, more.get("written", 0.0)


def in_order(*records: tuple[Record, float]) -> list[tuple[Record, float]]:
    return [(one, float(index)) for index, (one, _) in enumerate(records)]


CASES = [f"case {i}" for i in range(8)]
RECORDS = in_order(
    *(record("oracle", case, 40.0, source="baseline") for case in CASES),
    *(record("trivial", case, 5.0, source="baseline") for case in CASES),
    *(
        record("first", case, 20.0 + i, costs={"seconds": 2.0, "peak_memory_mb": 100.0 + i})
        for i, case in enumerate(CASES)
    ),
    *(record("second", case, 21.0 + i) for i, case in enumerate(CASES[:6])),
    record("second", CASES[6], 0.0, status="failed", error="it fell", kind="other"),
    record("second", CASES[7], 99.0, status="refused", error="above"),
)


def test_methods_stand_between_the_oracle_and_the_trivial_row():
    table = make_table(RECORDS)
    assert [row.name for row in table.rows] == ["oracle", "first", "second", "trivial"] and table.against == "first"


def test_a_failed_and_a_refused_unit_are_in_no_mean_and_are_counted():
    second = make_table(RECORDS).rows[2]
    assert (second.cases, second.failed, second.refused) == (6, 1, 1)
    assert second.values["psnr@1/psnr"]["mean"] == pytest.approx(23.5)


def test_differences_are_paired_by_case():
    """Both differ by 1 in each case, while the means of all cases do not."""
    second = make_table(RECORDS).rows[2]
    assert second.differences["psnr@1/psnr"] == {"mean": 1.0, "interval_95": [1.0, 1.0], "larger": 6, "of": 6}
    assert make_table(RECORDS, against="second").rows[1].differences["psnr@1/psnr"]["mean"] == -1.0


def test_the_mean_time_and_the_largest_memory_are_in_the_table():
    assert make_table(RECORDS).rows[1].costs == {"seconds": 2.0, "peak_memory_mb": 107.0}


def test_a_method_whose_mean_surpasses_the_oracle_beyond_chance_is_marked():
    better = in_order(*(record("oracle", case, 20.0) for case in CASES), *(record("a", case, 20.5) for case in CASES))
    table = make_table(better)
    assert table.rows[1].above_oracle == ("psnr@1/psnr",) and "refused" in format_table(table, "md")


def test_a_difference_over_few_cases_has_no_star_and_one_case_no_interval():
    few = in_order(*(record("a", case, 1.0) for case in CASES[:4]), *(record("b", case, 2.0) for case in CASES[:4]))
    assert "(+1)" in format_table(make_table(few), "md")
    assert "±" not in format_table(make_table(in_order(record("a", "x", 1.0))), "md")


def test_the_newest_configuration_of_a_method_counts_unless_all_are_asked_for():
    both = in_order(record("a", "x", 1.0, config_hash="older"), record("a", "x", 2.0, config_hash="newer"))
    assert make_table(both).rows[0].values["psnr@1/psnr"]["mean"] == 2.0
    assert [row.name for row in make_table(both, every=True).rows] == ["a older", "a newer"]


def test_the_table_format_csv_has_a_line_for_each_method_and_value():
    lines = list(csv.DictReader(io.StringIO(format_table(make_table(RECORDS), "csv"))))
    assert [line["method"] for line in lines] == ["oracle", "first", "second", "trivial"]
    assert lines[2]["difference"] == "1.0" and lines[2]["against"] == "first" and lines[2]["failed"] == "1"
    assert lines[1]["seconds"] == "2.0"


def test_the_table_formats_md_and_latex_have_a_row_for_each_method():
    table = make_table(RECORDS)
    markdown, latex = format_table(table, "md").splitlines(), format_table(table, "latex")
    assert markdown[0].startswith("| method | psnr@1/psnr ↑ | s |") and len(markdown) == 2 + 4
    assert "(+1*)" in markdown[4]
    assert latex.startswith(r"\begin{tabular}{lrrrrrrrr}") and latex.count(r" \\") == 5
    assert r"psnr@1/psnr $\uparrow$" in latex
    titles, rows = cells(table)
    assert all(len(row) == len(titles) for row in rows)


def test_names_with_letters_that_latex_reads_are_escaped():
    text = format_table(make_table(in_order(record("a_b & 50 %", "x", 1.0))), "latex")
    assert r"a\_b \& 50 \%" in text


def test_tables_of_nothing_of_several_suites_or_of_unknown_methods_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="there are no records"):
        read_table(tmp_path)
    other = Record("t@2", "d", "a", "c", "x", 0, "run", "done")
    with pytest.raises(ConfigError, match="several suites have no common table: s@1, t@2"):
        make_table([*RECORDS, (other, 9.0)])
    with pytest.raises(ConfigError, match="there is no method 'frist' to compare with; did you mean 'first'"):
        make_table(RECORDS, "frist")


def test_bars_are_of_each_method(ran):
    import dataclasses

    from maquette.bench.tables import bar_results

    records = [row.record for row in ran.rows]
    suite = dataclasses.replace(
        ran.suite, bars={"volume-iou@1/iou": Bar(at_least=0.0), "refview@2/psnr": Bar(at_least=99.0)}
    )
    results = bar_results(suite, records)
    assert [(method, name, result["passed"]) for method, name, result in results] == [
        ("tiny", "volume-iou@1/iou", True), ("tiny", "refview@2/psnr", False),
        ("other", "volume-iou@1/iou", True), ("other", "refview@2/psnr", False),
    ]  # fmt: skip


def test_a_bar_may_be_an_upper_limit():
    measured = summarise([[{"x": 0.1}], []], {"x": Bar(at_most=0.2)}, {"x": "lower"})["x"]
    assert measured["passed"] and measured["missing"] == 1 and measured["mean"] == 0.1
    assert not Bar(at_most=0.2).passes(0.3) and Bar(at_most=0.0).passes(0.0)
    with pytest.raises(ValueError, match="at_least: number"):
        Bar()
