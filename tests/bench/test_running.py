"""Running a suite: every unit is recorded once, survives failures and stops, and is bounded by the baselines."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from maquette.bench.baselines import Bounds, baseline_records, floor_values
from maquette.bench.measuring import SuiteMetrics, costs_of, read_views, write_lock, write_views
from maquette.bench.records import FAILURE_FILE, read_record, write_failure
from maquette.bench.running import judged, over_limits, run_suite
from maquette.bench.sheets import write_suite_sheet
from maquette.bench.subjects import align, read_subject
from maquette.bench.suites import Protocol, SuiteLimits, load_suite
from maquette.bench.units import suite_units
from maquette.cli.app import app
from maquette.errors import ConfigError, RunError
from maquette.files import sole_writer
from maquette.meshes.mesh import Mesh
from maquette.runs.view_sheets import sheet_views
from maquette.training.manifest import write_manifest
from tiny_suite import METHOD, write_suite


def test_each_unit_has_a_record_in_its_place(ran, suite):
    units = suite_units(suite, ran.results.parent / "runs")
    assert [(row.job.column, row.job.case.title, row.job.seed) for row in ran.rows] == [
        ("tiny", "disc", 1), ("other", "disc", 1), ("tiny", "square", 1), ("other", "square", 1),
    ]  # fmt: skip
    for unit, row in zip(units, ran.rows, strict=True):
        path = ran.results / "pictures@1" / unit.column / unit.config_hash / unit.case.title / "1" / "result.json"
        assert read_record(path).values == row.record.values and row.record.status == "done", row.error
        assert set(row.record.predictions) == {"mesh.glb", "views.png"}
        assert (path.parent / "mesh.glb").is_file()


def test_the_configuration_hash_is_that_of_the_method_and_not_of_the_case(ran):
    hashes = [row.record.config_hash for row in ran.rows]
    assert hashes[0] == hashes[2] != hashes[1] == hashes[3]


def test_names_of_values_have_the_protocols_and_the_manifest_says_what_they_depend_on(ran):
    record = ran.rows[0].record
    assert {"volume-iou@1/iou", "surface-distance@1/chamfer", "refview@2/psnr"} <= set(record.values)
    assert {"config", "distributions", "machine", "revision", "lock", "of_case", "dirty"} <= set(record.manifest)
    assert record.manifest["config"]["stages"]["nerf"]["data"]["path"] == "(image)"
    assert len(record.manifest["of_case"]["image"]) == 64 and record.costs["seconds"] > 0
    assert (ran.results / "pictures@1" / "locks" / f"{record.manifest['lock']}.txt").read_text().count("==") > 20


def test_what_is_recorded_is_not_run_again(ran, suite):
    again = run_suite(suite, ran.results.parent / "runs", ran.results, executor="inline")
    assert all(row.repeated for row in again.rows)
    assert [row.record for row in again.rows] == [row.record for row in ran.rows]


def test_a_record_that_is_lost_is_measured_again_from_the_finished_run(ran, suite, results):
    lost = results / ran.rows[0].folder.relative_to(ran.results) / "result.json"
    before = read_record(lost)
    lost.unlink()
    rows = run_suite(suite, ran.results.parent / "runs", results, executor="inline").rows
    assert lost.is_file() and all(row.repeated for row in rows)
    assert (rows[0].record.values, rows[0].record.predictions) == (before.values, before.predictions)


def test_a_part_of_a_suite_has_the_records_of_the_whole(ran, suite, tmp_path):
    runs = ran.results.parent / "runs"
    part = run_suite(suite, runs, tmp_path, executor="inline", methods=["other"], limit=1)
    assert [row.job.label for row in part.rows] == ["other, disc, seed 1"]
    assert part.rows[0].record.suite_digest == suite.digest and part.rows[0].record.values == ran.rows[1].record.values
    whole = run_suite(suite, runs, tmp_path, executor="inline")
    assert [row.record.status for row in whole.rows] == ["done"] * 4


def test_records_of_a_suite_that_differs_under_the_same_version_are_not_mixed_with_its_own(ran, suite):
    other = dataclasses.replace(suite, protocol=dataclasses.replace(suite.protocol, align="box"))
    with pytest.raises(ConfigError, match=r"are of another pictures@1: .*raise its version"):
        run_suite(other, ran.results.parent / "runs", ran.results, executor="inline")


def test_baselines_bound_the_results_and_are_recorded(ran, suite):
    records = {
        path.parts[-5]: read_record(path)
        for path in ran.results.rglob("result.json")
        if path.parts[-5] in ("oracle", "trivial")
    }
    oracle, trivial = records["oracle"], records["trivial"]
    assert oracle.values["volume-iou@1/iou"] == 1 and oracle.values["refview@2/psnr"] == 100
    assert trivial.values["refview@2/psnr"] < 30 and oracle.source == trivial.source == "baseline"


BOUNDS = Bounds({"a": 0.9, "b": 0.1, "c": 0.5}, {"a": 0.1, "b": 0.9, "c": 0.1}, frozenset("ab"))
BETTER = {"a": "higher", "b": "lower", "c": "higher"}


def test_a_value_above_the_oracle_is_refused_and_one_below_the_trivial_row_stays_and_is_marked(ran):
    record = dataclasses.replace(ran.rows[0].record, better=BETTER, values={"a": 0.95, "b": 0.5, "c": 0.9})
    refused = judged(record, BOUNDS)
    assert refused.status == "refused" and refused.above_oracle == ["a"]
    assert refused.error == "a is 0.95, and the true object has 0.9: refused"
    low = judged(dataclasses.replace(record, values={"a": 0.05, "b": 0.95, "c": 0.2}), BOUNDS)
    assert low.status == "done" and low.below_trivial == ["a", "b"]


def test_a_value_that_surpasses_the_oracle_by_the_noise_of_samples_is_none_and_by_chance_is_not_bounded():
    assert BOUNDS.above_oracle({"a": 0.91, "b": 0.09, "c": 1.0}, BETTER) == []
    assert BOUNDS.above_oracle({"b": 0.05}, BETTER) == ["b"]


def test_a_value_in_which_the_trivial_row_is_as_good_as_the_oracle_is_never_below_it():
    bounds = Bounds({"a": 0.9, "b": 0.5}, {"a": 0.9, "b": 0.1}, frozenset())  # b is better lower: a ball is smooth
    assert bounds.below_trivial({"a": 0.2, "b": 0.7}, BETTER) == []
    smooth = Bounds({"b": 0.5}, {"b": 0.1}, frozenset("b"))
    assert smooth.above_oracle({"b": 0.2}, BETTER) == []  # and surpassing the oracle there is no wonder
    assert Bounds({}, {"a": 0.5}, frozenset()).below_trivial({"a": 0.2}, BETTER) == ["a"]  # without an oracle


def test_a_missing_case_counts_as_the_trivial_row_where_that_is_no_gain():
    trivial, oracle = {"a": 0.1, "b": 0.9, "c": 0.1}, {"a": 0.9, "b": 0.1, "c": 0.1}
    assert floor_values(trivial, oracle, BETTER) == {"a": 0.1, "b": 0.9}
    assert floor_values(trivial, {}, BETTER) == trivial


def test_a_result_that_cannot_be_measured_is_a_failure_and_the_other_units_go_on(suite, tmp_path, monkeypatch):
    from maquette.bench import running

    read = running.read_subject

    def broken(path, protocol, case, **more):
        if case.title == "disc":
            raise ValueError("a mesh that nobody thought of")
        return read(path, protocol, case, **more)

    monkeypatch.setattr(running, "read_subject", broken)
    made = run_suite(suite, tmp_path / "runs", tmp_path / "results", executor="inline", methods=["tiny"])
    states = {row.job.case.title: (row.record.status, row.error) for row in made.rows}
    assert states == {"disc": ("failed", "ValueError: a mesh that nobody thought of"), "square": ("done", "")}


def test_the_pictures_of_a_record_are_of_what_was_measured(ran):
    record = ran.rows[0]
    subject = read_subject(record.folder / "mesh.glb", ran.suite.protocol, record.job.case, ours=True)
    kept, drawn = read_views(record.folder / "views.png"), sheet_views(subject, ran.suite.sheet_views)
    assert np.abs(np.stack(kept) - np.stack(drawn)).max() < 0.01


def test_a_suite_without_an_oracle_is_refused_before_anything_runs(suite, tmp_path):
    untrue = dataclasses.replace(suite, cases=[dataclasses.replace(suite.cases[0], truth=None)])
    from maquette.config.parts import part

    health = dataclasses.replace(untrue, metrics={"mesh-health": part("metric", "mesh-health")})
    with pytest.raises(ConfigError, match=r"no oracle row for mesh-health@1 in the case 'disc'; .*baselines: \{best:"):
        run_suite(health, tmp_path / "runs", tmp_path / "results", executor="inline")
    best = {"mesh-health@1/watertight": 1.0}
    given = dataclasses.replace(health, baselines=dataclasses.replace(health.baselines, best=best))
    bounds = baseline_records(given, SuiteMetrics.build(given), tmp_path / "results")
    assert bounds["disc"].oracle == best and "mesh-health@1/watertight" in bounds["disc"].bounding
    with pytest.raises(ConfigError, match=r"the case 'disc' has no truth to compare with"):
        run_suite(untrue, tmp_path / "runs", tmp_path / "results")


def blocked(job) -> Path:
    """A file where the run folder of a unit should go."""
    shutil.rmtree(job.folder, ignore_errors=True)
    job.folder.mkdir()
    file = job.folder / "tiny"
    file.write_text("")
    return file


def test_a_unit_that_fails_is_missing_and_costs_no_other_and_is_tried_again(ran, suite, tmp_path):
    runs, results = tmp_path / "runs", tmp_path / "results"
    shutil.copytree(ran.results.parent / "runs", runs)
    units = suite_units(suite, runs)
    file = blocked(units[1])
    rows = run_suite(suite, runs, results, executor="inline").rows
    assert [row.record.status for row in rows] == ["done", "failed", "done", "done"]
    assert "cannot write here" in rows[1].error and rows[1].record.kind == "other"
    assert units[1].recorded(results) is None and (rows[1].folder / FAILURE_FILE).is_file()
    file.unlink()
    again = run_suite(suite, runs, results, executor="inline").rows
    assert [row.repeated for row in again] == [True, False, True, True] and again[1].record.status == "done"
    assert not (rows[1].folder / FAILURE_FILE).exists()


def test_a_unit_that_was_not_finite_is_not_tried_again(ran, suite, tmp_path):
    record = dataclasses.replace(
        ran.rows[0].record, status="failed", kind="nonfinite", error="step 3: not finite", values={}
    )
    write_failure(record, tmp_path / ran.rows[0].folder.relative_to(ran.results))
    rows = run_suite(suite, ran.results.parent / "runs", tmp_path, executor="inline").rows
    assert rows[0].repeated and rows[0].error == "step 3: not finite" and rows[1].record.status == "done"


def test_a_unit_that_took_too_long_is_not_tried_again(ran, suite, tmp_path):
    record = dataclasses.replace(ran.rows[0].record, status="failed", kind="time", error="too long", values={})
    write_failure(record, tmp_path / "results" / ran.rows[0].folder.relative_to(ran.results))
    rows = run_suite(
        suite, tmp_path / "runs", tmp_path / "results", executor="inline", methods=["tiny"], limit=1
    ).rows  # fmt: skip
    assert rows[0].repeated and rows[0].error == "too long" and not rows[0].job.folder.exists()


def test_the_time_of_a_run_that_was_gone_on_with_is_limited_as_a_whole(ran, suite, tmp_path):
    runs = Path(shutil.copytree(ran.results.parent / "runs", tmp_path / "runs"))
    write_manifest(suite_units(suite, runs)[0].run.manifest, sessions=2, wall_seconds=7200.0)
    short = dataclasses.replace(suite, limits=SuiteLimits(minutes=60))
    (row,) = run_suite(short, runs, tmp_path / "results", executor="inline", methods=["tiny"], limit=1).rows
    assert row.record.kind == "time" and row.error == "it took 7200 s, and the suite allows 3600 s"


def test_what_took_more_than_the_limits_is_a_failure():
    limits = SuiteLimits(minutes=1, memory_gb=2)
    assert over_limits({"seconds": 59.0, "peak_memory_mb": 2000.0}, limits) is None
    assert over_limits({"seconds": 61.0}, limits).kind == "time"
    assert over_limits({"peak_gpu_memory_mb": 2049.0}, limits).kind == "memory"


def test_the_memory_of_a_process_that_had_other_runs_is_not_its_own(ran):
    run = next(job.run for job in suite_units(ran.suite, ran.results.parent / "runs"))
    assert "peak_memory_mb" in costs_of(run, alone=True) and "peak_memory_mb" not in costs_of(run, alone=False)


def test_runs_of_other_settings_are_not_used(ran, suite):
    runs = ran.results.parent / "runs"
    same, other = (suite_units(suite, runs, overrides) for overrides in ([], ["stages.nerf.steps=3"]))
    assert all(job.finished for job in same) and not any(job.finished for job in other)
    assert not any(job.recorded(ran.results) for job in other)


def test_sheets_show_the_views_of_all_units(ran):
    path = write_suite_sheet(ran)
    assert path == ran.results / "pictures@1" / "sheet.png" and path.stat().st_size > 1000


def test_measuring_keeps_views_in_a_strip_and_a_lock_once(tmp_path):
    views = [np.full((4, 4, 3), grey, np.float32) for grey in (0.0, 1.0)]
    write_views(views, tmp_path / "views.png")
    assert [float(view.mean()) for view in read_views(tmp_path / "views.png")] == [0, 1]
    assert read_views(tmp_path / "none.png") == [] and write_lock(tmp_path) == write_lock(tmp_path)


def test_subjects_are_aligned_to_the_true_surface_by_box_and_turn(suite):
    case, truth = suite.cases[1], suite.cases[1].build_truth().surface()
    angle = np.radians(33)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    moved = Mesh((truth.vertices @ turn.T) * 3 + np.array([1.0, 2, 0.5]), truth.faces)
    assert align(moved, Protocol(), case) is moved
    boxed = align(moved, Protocol(align="box"), case)
    assert (
        np.ptp(boxed.bounds, axis=0).max() == pytest.approx(0.8, abs=1e-5) and np.abs(boxed.bounds.mean(0)).max() < 1e-5
    )
    turned = align(moved, Protocol(align="box-yaw"), case)
    assert np.allclose(np.sort(np.abs(turned.vertices), axis=None), 0.4, atol=0.02)


def test_subjects_of_other_files_are_refused(suite, tmp_path):
    (tmp_path / "a.txt").write_text("no mesh")
    with pytest.raises(ConfigError, match="neither a mesh nor Gaussians"):
        read_subject(tmp_path / "a.txt", Protocol(), suite.cases[0])


def test_the_command_line_runs_a_part_of_a_suite_and_prints_its_table(tmp_path):
    suite = write_suite(tmp_path)
    words = [str(suite), "--results", str(tmp_path / "results")]
    done = CliRunner().invoke(
        app,
        [
            "bench",
            "run",
            *words,
            "--runs",
            str(tmp_path / "runs"),
            "--executor",
            "inline",
            "--limit",
            "1",
            "--methods",
            "tiny",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "volume-iou@1/iou" in done.output and "PARTIAL" in done.output and "sheet: " in done.output
    assert len(list((tmp_path / "results").rglob("tiny/*/*/1/result.json"))) == 1
    table = CliRunner().invoke(app, ["bench", "table", *words, "--format", "csv"])
    assert table.exit_code == 0 and table.output.startswith("suite,method,value"), table.output
    written = CliRunner().invoke(app, ["bench", "table", *words, "--out", str(tmp_path / "t" / "table.md")])
    assert written.exit_code == 0 and (tmp_path / "t" / "table.md").read_text().startswith("| method |")
    refused = CliRunner().invoke(app, ["bench", "run", *words, "--executor", "inline", "--jobs", "2"])
    assert refused.exit_code == 2 and "one at a time" in refused.output


def test_a_bar_that_is_missed_ends_with_exit_code_1(ran, tmp_path):
    text = (ran.results.parent / "pictures.yaml").read_text() + "bars: {volume-iou@1/iou: {at_least: 0.999}}\n"
    strict = ran.results.parent / "strict.yaml"
    strict.write_text(text)
    words = ["--results", str(ran.results), "--runs", str(ran.results.parent / "runs"), "--executor", "inline"]
    done = CliRunner().invoke(app, ["bench", "run", str(strict), *words])
    assert done.exit_code == 1 and "bar at least 0.999: FAILED" in done.output, done.output


def test_a_second_bench_of_the_same_folder_is_told_who_writes_there(ran, suite, tmp_path):
    runs = ran.results.parent / "runs"
    with sole_writer(runs, "suite"), pytest.raises(RunError, match=f"process {os.getpid()} on"):
        run_suite(suite, runs, tmp_path)


@pytest.fixture
def endless(tmp_path) -> Path:
    """The suite with runs that end by signals alone."""
    suite = write_suite(tmp_path)
    (tmp_path / "tiny.yaml").write_text(
        METHOD.replace("steps: 4", "steps: 100000").replace("log_every: 0", "log_every: 1")
    )
    suite.write_text(
        suite.read_text().replace(", overrides: [stages.nerf.steps=6]", ", overrides: [stages.nerf.steps=99999]")
    )
    return suite


def wait_for_steps(folder: Path, runs: int) -> None:
    """Until so many runs of a suite have logged their first steps."""
    while sum(path.stat().st_size > 0 for path in folder.glob("*/tiny/*/*/metrics.jsonl")) < runs:
        time.sleep(0.05)


def checkpoints(folder: Path) -> list[Path]:
    return list(folder.glob("*/tiny/*/*/checkpoints/nerf/step-*/state.json"))


@pytest.mark.slow
def test_a_suite_that_is_terminated_ends_its_runs_in_order(endless, tmp_path):
    suite = load_suite(str(endless))
    suite = dataclasses.replace(suite, cases=suite.cases[:1], methods=dict(list(suite.methods.items())[:1]))

    def terminate() -> None:
        wait_for_steps(tmp_path / "runs", 1)
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(SystemExit) as ended, ThreadPoolExecutor() as pool:
        pool.submit(terminate)
        run_suite(suite, tmp_path / "runs", tmp_path / "results")
    assert ended.value.code == 128 + signal.SIGTERM
    assert len(checkpoints(tmp_path / "runs")) == 1 and not list(tmp_path.glob("runs/**/.writer.json"))
    assert not list((tmp_path / "results").rglob("tiny/**/result.json"))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_runs_of_a_bench_in_order(endless, tmp_path, number):
    words = [
        "bench",
        "run",
        str(endless),
        "--runs",
        str(tmp_path / "runs"),
        "--results",
        str(tmp_path / "r"),
        "-j",
        "2",
    ]
    bench = subprocess.Popen(
        [sys.executable, "-m", "maquette", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # nohup would have it ignored
    )  # fmt: skip
    wait_for_steps(tmp_path / "runs", 2)
    bench.send_signal(number)
    assert bench.wait() == 128 + number
    assert len(checkpoints(tmp_path / "runs")) == 2
    assert not list(tmp_path.glob("runs/**/.writer.json"))


@pytest.mark.slow
def test_a_suite_in_processes_gives_the_numbers_of_one_in_this_process(ran, suite, tmp_path):
    rows = run_suite(dataclasses.replace(suite, cases=suite.cases[:1]), tmp_path / "runs", tmp_path / "results", 2).rows
    assert [row.record.status for row in rows] == ["done", "done"], [row.error for row in rows]
    assert [row.record.predictions for row in rows] == [row.record.predictions for row in ran.rows[:2]]
    assert rows[0].record.costs["peak_memory_mb"] > 50


def test_records_are_plain_json(ran):
    text = (ran.rows[0].folder / "result.json").read_text()
    assert json.loads(text)["digest"] == ran.rows[0].record.sealed().digest
