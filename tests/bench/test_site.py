"""The site: a folder that needs nothing but itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from board_records import put, put_baselines, records_of, rewritten, values
from maquette.bench.records import find_records, read_record
from maquette.bench.site import build_site, decimals
from maquette.cli.app import app
from maquette.errors import ConfigError

HOSTILE = "a mug </script><img src=x onerror=alert(1)> {{ 7 * 7 }}"


def test_the_command_writes_pages_with_records_pictures_and_meshes(results, tmp_path):
    out = tmp_path / "site"
    done = CliRunner().invoke(app, ["leaderboard", "build", str(results), "--out", str(out)])
    assert done.exit_code == 0 and "1 suites, 4 results" in done.output, done.output
    board = out / "pictures-1"
    records = [read_record(path) for path in find_records(board)]
    assert records == [read_record(path) for path in find_records(results)]
    data = json.loads((board / "board.json").read_text())
    units = [unit for row in data["rows"] if row["kind"] == "method" for unit in row["units"]]
    assert {unit["files"] for unit in units} == {"vm"}
    for unit in units:
        assert (board / unit["place"] / "views.webp").is_file() and (board / unit["place"] / "mesh.js").is_file()
    baselines = [unit for row in data["rows"] if row["kind"] != "method" for unit in row["units"]]
    assert {unit["files"] for unit in baselines} == {"v"}  # the true objects are shown, too


def test_nothing_is_loaded_from_elsewhere_and_no_path_of_this_machine_is_in_a_page(results, tmp_path):
    build_site([results], tmp_path / "site")
    for page in (tmp_path / "site").rglob("*.html"):
        text = page.read_text()
        assert str(tmp_path) not in text and f"{Path.home()}/" not in text
        assert not re.findall(r'(?:src|<link[^>]*href)="(?:https?:)?//', text)
        assert all(
            link.startswith("https://") for link in re.findall(r'href="([^"]*//[^"]*)"', text)
        )  # links of papers


def test_without_meshes_there_is_no_viewer(results, tmp_path):
    build_site([results], tmp_path / "site", meshes=False)
    assert not (tmp_path / "site" / "model-viewer.js").exists() and not list((tmp_path / "site").rglob("mesh.js"))


def test_the_page_says_what_the_suite_is_and_how_many_of_its_cases_were_run(results, tmp_path):
    file = next(results.glob("*/suite/outline.json"))
    outline = json.loads(file.read_text())
    assert outline["suite"] == "pictures@1" and outline["cases"]
    file.write_text(json.dumps({**outline, "summary": "<b>things</b>", "cases": [*outline["cases"], "a cat"]}))
    page = (build_site([results], tmp_path / "site").index.parent / "pictures-1" / "index.html").read_text()
    assert "&lt;b&gt;things&lt;/b&gt;" in page and f"of {len(outline['cases']) + 1}</span>" in page


def test_a_unit_says_what_was_not_as_the_suite_has_it(tmp_path):
    put_baselines(tmp_path / "r", ["a mug"])
    put(tmp_path / "r", "mine", "a mug", values(20.0), shrunk=True, manifest={"dirty": True})
    data = json.loads(
        (build_site([tmp_path / "r"], tmp_path / "site").index.parent / "objects-1" / "board.json").read_text()
    )
    unit = next(row["units"][0] for row in data["rows"] if row["kind"] == "method")
    assert unit["marks"] == ["smaller settings", "uncommitted code"]


def test_texts_of_records_are_escaped(tmp_path):
    put_baselines(tmp_path / "r", [HOSTILE])
    put(tmp_path / "r", HOSTILE, HOSTILE, {}, error=HOSTILE, kind="other")
    page = build_site([tmp_path / "r"], tmp_path / "site", name=HOSTILE).index.parent / "objects-1"
    assert "<img src=x" not in (page / "index.html").read_text() and "{{ 7" in (page / "index.html").read_text()


def test_a_site_replaces_itself_and_nothing_else(results, tmp_path):
    build_site([results], tmp_path / "site")
    build_site([results], tmp_path / "site")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="holds something else"):
        build_site([results], tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").is_file()
    with pytest.raises(ConfigError, match="holds something else"):
        build_site([results], tmp_path / "mine" / "thesis.txt")


def test_pictures_and_meshes_stay_where_records_are_without_them_and_unchanged(results, tmp_path):
    (board,) = build_site([results], tmp_path / "site").boards

    def content():
        return {path: path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()}

    before = content()
    for path in [*results.rglob("views.png"), *results.rglob("*.glb")]:
        path.unlink()
    build_site([results], tmp_path / "site")
    assert content() == before
    rewritten(records_of(results)[0], values=dict.fromkeys(board.better, 1.0))
    data = build_site([results], tmp_path / "site").index.parent / "pictures-1" / "board.json"
    units = [unit for row in json.loads(data.read_text())["rows"] if row["kind"] == "method" for unit in row["units"]]
    assert sorted(unit["files"] for unit in units) == ["", "vm", "vm", "vm"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_several_suites_have_a_page_each_and_one_suite_twice_is_refused(results, tmp_path):
    put_baselines(tmp_path / "r", ["a mug"])
    put(tmp_path / "r", "mine", "a mug", values(20.0), picture=True)
    site = build_site([results, tmp_path / "r"], tmp_path / "site")
    assert [board.suite for board in site.boards] == ["pictures@1", "objects@1"]
    assert 'href="objects-1/index.html"' in site.index.read_text()
    with pytest.raises(ConfigError, match="pictures@1 is in"):
        build_site([results, results / "pictures@1"], tmp_path / "site")


def test_a_folder_without_records_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there are no records"):
        build_site([tmp_path], tmp_path / "site")


def test_figures_of_a_column_have_as_many_digits(tmp_path):
    put_baselines(tmp_path, ["a mug"])
    put(tmp_path, "mine", "a mug", values(21.239))
    (board,) = build_site([tmp_path], tmp_path / "site").boards
    assert decimals(board) == {"refview@2/psnr": 2, "volume-iou@1/iou": 3, "surface-distance@1/chamfer": 4}


def test_a_record_whose_hash_leads_out_of_the_site_is_refused(tmp_path):
    put_baselines(tmp_path / "r", ["a mug"])
    put(tmp_path / "r", "mine", "a mug", values(20.0))
    rewritten(records_of(tmp_path / "r", "mine")[0], config_hash="../../../evil")
    with pytest.raises(ConfigError, match="its config_hash is not of hexadecimal digits"):
        build_site([tmp_path / "r"], tmp_path / "site")
    assert not (tmp_path / "evil").exists()
