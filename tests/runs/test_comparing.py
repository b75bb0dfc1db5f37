"""What differs between runs, what they measured and took, and the page of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from maquette.runs.comparing import compare_runs, picture_of, read_facts
from maquette.runs.page import embedded, link, write_comparison
from maquette.training.manifest import write_manifest
from maquette.training.run_folder import RunFolder


@pytest.fixture
def pair(finished: RunFolder, tmp_path: Path) -> list[RunFolder]:
    """The run, and a copy of it with another seed, more steps, and other values."""
    other = RunFolder.read(Path(shutil.copytree(finished.path, tmp_path / "other & <one>")))
    text = other.config.read_text()
    other.config.write_text(text.replace("seed: 0", "seed: 7", 1).replace("steps: 2", "steps: 3"))
    for run, value, seconds in ((finished, 0.5, 10.0), (other, 0.25, 5.0)):
        metric = {"values": {"chamfer": value}, "better": {"chamfer": "lower"}}
        (run.path / "measures.json").write_text(json.dumps({"distance": metric}))
        write_manifest(run.manifest, wall_seconds=seconds)
    (finished.export / "views.json").write_text(json.dumps({"psnr": 20.0, "views": {"a": {"psnr": 20.0}}}))
    return [finished, other]


def test_settings_that_differ_are_listed_and_others_are_not(pair):
    rows = {row.name: row.values for row in compare_runs(pair).settings}
    assert rows == {"stages.nerf.steps": ("2", "3"), "seed": ("0", "7")}


def test_the_better_value_of_a_metric_is_marked(pair):
    rows = {row.name: row for row in compare_runs(pair).metrics}
    assert rows["distance/chamfer"].values == ("0.5", "0.25") and rows["distance/chamfer"].best == {1}
    assert rows["views/psnr"].values == ("20", "") and not rows["views/psnr"].best


def test_times_are_those_of_the_manifest(pair):
    rows = {row.name: row for row in compare_runs(pair).times}
    assert rows["wall time, s"].values == ("10", "5") and rows["wall time, s"].best == {1}
    assert {"stage nerf, s", "stage export, s", "peak memory, MB"} <= rows.keys()


def test_a_run_with_broken_files_is_compared_by_the_others(pair):
    pair[1].manifest.write_text("{")
    (pair[1].path / "measures.json").write_text("{")
    (pair[1].export / "views.json").write_text("[")
    comparison = compare_runs(pair)
    assert [row.values for row in comparison.metrics if row.name == "distance/chamfer"] == [("0.5", "")]


def test_the_picture_of_a_run_is_its_sheet_or_else_its_last_preview(finished):
    assert picture_of(finished) == finished.export / "sheet.png"
    (finished.export / "sheet.png").unlink()
    assert picture_of(finished) is None and read_facts(finished).picture is None
    (finished.previews / "nerf").mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(finished.previews / "nerf" / "000002.png")
    assert picture_of(finished) == finished.previews / "nerf" / "000002.png"


def test_the_page_needs_no_other_file_and_escapes_what_is_text(pair, tmp_path):
    comparison = compare_runs(pair)
    page = write_comparison(comparison, ["one", str(pair[1].path)], tmp_path / "new" / "page.html")
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 2 and "other &amp; &lt;one&gt;" in text and "<one>" not in text
    assert not re.search(r"(?:src|href)=\"(?!data:)[^\"]*(?:https?:|//)", text)
    links = re.findall(r'href="([^"]+)"', text)
    assert links == ["../run/report.html", "../other%20%26%20%3Cone%3E/report.html"]
    assert "stages.nerf.steps" in text and '<td class="best">0.25</td>' in text


def test_a_picture_that_cannot_be_read_is_none(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert embedded(tmp_path / "broken.png") is None and link(tmp_path / "none.html", tmp_path / "page.html") == ""
