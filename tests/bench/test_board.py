"""The board: failures filled, ranks by paired bootstrap, baselines apart."""

from __future__ import annotations

import numpy as np
import pytest

from board_records import put, put_baselines, values
from maquette.bench.board import read_board
from maquette.bench.statistics import mean_with_interval, resampled_means
from maquette.bench.tables import read_table
from maquette.errors import ConfigError

CASES = [f"object {i}" for i in range(8)]


def board_of(results, **more):
    return read_board(results / "objects@1", **more)


def row_of(board, name):
    return next(row for row in board.rows if row.name == name)


def test_a_failed_and_a_missing_unit_have_the_trivial_rows_values_and_are_counted(tmp_path):
    put_baselines(tmp_path, CASES)
    for case in CASES[:6]:
        put(tmp_path, "mine", case, values(20.0))
    put(tmp_path, "mine", CASES[6], {}, error="it fell", kind="other")
    row = row_of(board_of(tmp_path), "mine")
    assert (row.count("done"), row.count("failed"), row.count("missing")) == (6, 1, 1)
    psnr, chamfer = row.scores["refview@2/psnr"], row.scores["surface-distance@1/chamfer"]
    assert psnr.mean == pytest.approx((6 * 20 + 2 * 5) / 8) and psnr.filled == 2
    assert chamfer.mean == pytest.approx((6 / 20 + 2 / 5) / 8)


def test_a_failed_seed_counts_as_the_trivial_row_within_its_case(tmp_path):
    put_baselines(tmp_path, CASES)
    for case in CASES:
        put(tmp_path, "mine", case, values(20.0), seed=0)
        put(tmp_path, "mine", case, {} if case == CASES[0] else values(20.0), seed=1)
    score = row_of(board_of(tmp_path), "mine").scores["refview@2/psnr"]
    assert score.filled == 1 and score.mean == pytest.approx(20 - (20 - 5) / 2 / 8)


def test_failing_gains_nothing_where_the_trivial_row_is_as_good_as_the_oracle(tmp_path):
    for i, case in enumerate(CASES):
        for method in ("oracle", "trivial", "sound", "falls"):
            failed = method == "falls" and i < 2
            chamfer = {"surface-distance@1/chamfer": 0.5 if method == "sound" and i < 2 else 0.1}
            put(tmp_path, method, case, {} if failed else chamfer)
    falls, sound = (
        row_of(board_of(tmp_path), name).scores["surface-distance@1/chamfer"] for name in ("falls", "sound")
    )
    assert falls.mean == pytest.approx(0.1) and falls.filled == 2 and sound.filled == 0
    assert falls.rank == sound.rank == 1  # over the cases that both have they are equal
    assert row_of(board_of(tmp_path), "trivial").above_oracle == ()


def test_what_the_trivial_row_is_best_in_has_no_ranks(tmp_path):
    for case in CASES:
        for method, chamfer in (("oracle", 0.4), ("trivial", 0.1), ("smooth", 0.2), ("rough", 0.9)):
            put(tmp_path, method, case, {"surface-distance@1/chamfer": chamfer})
    assert {row.scores["surface-distance@1/chamfer"].rank for row in board_of(tmp_path).rows} == {None}


def test_the_newest_configuration_is_the_one_whose_runs_began_last(tmp_path):
    for config, hour in (("a" * 16, 10), ("b" * 16, 9)):  # written in the other order, as by a checkout
        put(tmp_path, "mine", CASES[0], values(20.0), config_hash=config,
            manifest={"started": f"2026-11-30T{hour:02}:00:00+0000"})  # fmt: skip
    assert row_of(board_of(tmp_path), "mine").config == "a" * 16


def test_surpassing_an_oracle_that_the_trivial_row_surpasses_too_is_believed(tmp_path):
    for case in CASES:
        for method, chamfer, psnr in (("oracle", 0.4, 40), ("trivial", 0.1, 5), ("smooth", 0.2, 50)):
            put(tmp_path, method, case, {"surface-distance@1/chamfer": chamfer, "refview@2/psnr": float(psnr)})
    assert row_of(board_of(tmp_path), "smooth").above_oracle == ("refview@2/psnr",)
    table = {row.name: row.above_oracle for row in read_table(tmp_path / "objects@1").rows}
    assert table == {"oracle": (), "smooth": ("refview@2/psnr",), "trivial": ()}


def test_a_refused_result_does_not_count(tmp_path):
    put_baselines(tmp_path, CASES)
    for case in CASES:
        put(tmp_path, "mine", case, values(90.0), status="refused", error="above")
    row = row_of(board_of(tmp_path), "mine")
    assert row.count("refused") == 8 and row.scores["refview@2/psnr"].mean == pytest.approx(5.0)


def test_methods_share_a_rank_where_the_paired_bootstrap_does_not_tell_them_apart(tmp_path):
    put_baselines(tmp_path, CASES)
    for i, case in enumerate(CASES):
        put(tmp_path, "best", case, values(20.0 + i))
        put(tmp_path, "as good", case, values(20.0 + i + (0.5 if i % 2 else -0.5)))
        put(tmp_path, "worse", case, values(19.0 + i))  # by 1 in each case: less than the cases differ among themselves
    board = board_of(tmp_path)
    for value in board.better:
        ranks = {row.name: row.scores[value].rank for row in board.rows}
        assert ranks == {"oracle": None, "best": 1, "as good": 1, "worse": 3, "trivial": None}, value


def test_fewer_than_five_cases_have_no_ranks(tmp_path):
    put_baselines(tmp_path, CASES[:4])
    for case in CASES[:4]:
        put(tmp_path, "best", case, values(30.0))
        put(tmp_path, "worse", case, values(10.0))
    assert {row.scores["refview@2/psnr"].rank for row in board_of(tmp_path).rows} == {None}


def test_the_interval_of_a_column_is_that_of_the_tables():
    column = np.random.default_rng(3).normal(20, 4, 12)
    low, high = np.percentile(resampled_means(column[None])[:, 0], [2.5, 97.5])
    assert [round(low, 4), round(high, 4)] == mean_with_interval(column.tolist())["interval_95"]


def test_values_that_the_trivial_row_lacks_are_compared_over_common_cases(tmp_path):
    put_baselines(tmp_path, CASES)
    for i, case in enumerate(CASES):
        put(tmp_path, "whole", case, {"extra@1/x": 2.0, **values(20.0)})
        if i < 6:
            put(tmp_path, "part", case, {"extra@1/x": 1.0})
    board = board_of(tmp_path)
    assert "extra@1/x" not in board.better  # no direction was recorded for it
    assert row_of(board, "part").scores["refview@2/psnr"].mean == pytest.approx(5.0)


def test_trust_is_that_of_the_least_trusted_record(tmp_path):
    put_baselines(tmp_path, CASES[:2])
    made = [put(tmp_path, "mine", case, values(20.0)) for case in CASES[:2]]
    assert row_of(board_of(tmp_path, trusted={made[0].digest: 2}), "mine").trust == 0
    assert row_of(board_of(tmp_path, trusted={one.digest: 2 for one in made}), "mine").trust == 2


def test_the_newest_configuration_stands_for_a_method_and_every_shows_all(tmp_path):
    put_baselines(tmp_path, CASES[:1])
    put(tmp_path, "mine", CASES[0], values(10.0), config_hash="a" * 16, written=1.0)
    put(tmp_path, "mine", CASES[0], values(20.0), config_hash="b" * 16, written=2.0)
    assert [row.config[0] for row in board_of(tmp_path).methods] == ["b"]
    assert {row.name for row in board_of(tmp_path, every=True).methods} == {"mine aaaaaaaa", "mine bbbbbbbb"}


def test_a_row_says_hardware_and_plugins(tmp_path):
    put_baselines(tmp_path, CASES[:1])
    manifest = {
        "machine": {"gpu": "A card", "processor": "P"},
        "distributions": {"maquette": "1", "maquette-nano": "2"},
    }
    put(tmp_path, "mine", CASES[0], values(10.0), manifest=manifest)
    row = row_of(board_of(tmp_path), "mine")
    assert row.hardware == ("A card",) and row.plugins == ("maquette", "maquette-nano")


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there are no records"):
        read_board(tmp_path)
