"""The commands on finished runs, as they are typed: export, measure, compare, report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from command_line import run_folder
from maquette.cli.app import app
from tiny_run import tiny_method


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs that differ in their seed."""
    folder = tmp_path_factory.mktemp("compare")
    words = ["run", str(tiny_method(folder)), "prompt=a red mug", f"output={folder / 'outputs'}"]
    return [run_folder(*words, f"seed={seed}") for seed in (0, 1)]


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "160"})
    return result.exit_code, result.output


def test_export_and_measure_say_where_the_files_are(pair):
    code, output = call("export", pair[0], "mesh.resolution=16", "--exporter", "obj,contact-sheet")
    assert code == 0 and f"exported: {pair[0]}/export-1 (stage nerf, step 2)" in output
    assert {"mesh.obj", "sheet.png"} <= {path.name for path in (pair[0] / "export-1").iterdir()}
    sizes = "mesh-health.resolution=16", "self-intersections.resolution=16", "reprojection.size=32"
    trip = "round-trip.resolution=16", "round-trip.texture_size=32", "round-trip.size=32", "round-trip.views=2"
    code, output = call("measure", pair[0], *sizes, *trip)
    assert code == 0 and re.search(r"mesh-health/components +\d+ +lower", output)
    assert f"measured: {pair[0]}/measures.json (stage nerf, step 2)" in output


def test_compare_prints_what_differs_and_writes_a_page(pair, monkeypatch):
    monkeypatch.chdir(pair[0].parents[3])
    code, output = call("compare", *pair)
    assert code == 0 and re.search(r"^seed +0 +1 *$", output, re.MULTILINE)
    assert "stages.nerf" not in output and "wall time, s" in output
    (page,) = Path("outputs/compare").iterdir()
    assert f"page: {page}" in output and "2 runs compared" in page.read_text()
    folder_code, _ = call("compare", "outputs", "--output", "both.html")
    assert folder_code == 0 and Path("both.html").is_file()


def test_report_is_written_anew(pair):
    (pair[0] / "report.html").unlink()
    code, output = call("report", pair[0])
    assert code == 0 and f"report: {pair[0]}/report.html" in output and (pair[0] / "report.html").stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "RUN"], "a comparison needs two runs"),
        (["export", "RUN", "mesh.resolutoin=9"], "did you mean 'resolution'"),
        (["measure", "RUN", "--metrics", "mesh-helth"], "did you mean 'mesh-health'"),
        (["measure", "RUN", "--suite", "nano-text"], "has no case with the prompt 'a red mug'"),
        (["measure", "RUN", "--suite", "nano-text", "--metrics", "janus"], "give --suite or --metrics, not both"),
        (["report", "nowhere"], "there is no run folder nowhere"),
    ],
)
def test_what_is_wrong_is_one_line(words, message, pair):
    code, output = call(*[pair[1] if word == "RUN" else word for word in words])
    lines = [line for line in output.splitlines() if line.startswith("error: ")]
    assert code == 2 and len(lines) == 1 and message in lines[0] and "Traceback" not in output
