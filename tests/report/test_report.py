import html
import json
import re

import numpy as np
import pytest
from PIL import Image

from maquette.export.video import write_gif, write_mp4
from maquette.export.writers import write_glb
from maquette.meshes.mesh import Mesh
from maquette.meshes.texture import bake, unwrap
from maquette.report import write_report
from maquette.report.curves import charts, plot, read_metrics
from maquette.report.page import flatten, format_duration
from maquette.report.viewer import viewer_html

HOSTILE = "a mug </title><script>alert('prompt')</script> & \"{{ 7 * 7 }}\" \u202e 杯"
ADDRESS = r"""\s*["']?\s*(?:https?:)?//"""
LOADS = re.compile(rf"(?:src|href|srcset|poster|action|data)\s*={ADDRESS}|url\({ADDRESS}|@import")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    rows = [
        {"stage": stage, "step": step, "loss": 1 / (step + 1), "loss/sds": 0.5, "t": 900 - step, "lr": 0.01}
        for stage in ("coarse", "fine") for step in range(0, 400, 10)
    ]  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 17, "lo')
    (folder / "config.yaml").write_text(f"name: dreamfusion  # a method\nprompt: {json.dumps(HOSTILE)}\n")
    manifest = {"method": "dreamfusion", "prompt": HOSTILE, "seed": 3, "wall_seconds": 3725.0, "command": HOSTILE}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    frames = np.random.default_rng(0).random((4, 32, 32, 3))
    write_mp4(folder / "export" / "turntable.mp4", frames, 10)
    write_gif(folder / "export" / "turntable.gif", frames, 10)
    cube = Mesh(*_cube())
    write_glb(folder / "export" / "mesh.glb", bake(unwrap(cube, 64), lambda points, normals: normals / 2 + 0.5, 64))
    (folder / "previews").mkdir()
    for name in ("000000.png", "000100.png", "export/sheet.png"):
        place = folder / name if "/" in name else folder / "previews" / name
        Image.fromarray((frames[0] * 255).astype(np.uint8)).save(place)
    return folder


def _cube():
    import trimesh

    box = trimesh.creation.box()
    return box.vertices, box.faces


@pytest.fixture(scope="module")
def page(run_folder):
    return write_report(run_folder).read_text(encoding="utf-8")


def test_page_loads_nothing_from_anywhere(page):
    viewer = html.unescape(re.search(r'srcdoc="([^"]*)"', page).group(1))
    for text in (page, viewer):
        assert not LOADS.search(text)
    assert "default-src 'none'" in page


def test_hostile_prompt_is_shown_and_not_run(page):
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#39;prompt&#39;)&lt;/script&gt;" in page
    assert "49" not in re.search(r"<h1.*?</h1>", page, re.DOTALL).group(0)
    assert "杯" in page


def test_page_shows_all_there_is(page):
    for part in ("data:video/mp4;base64", "data:image/gif;base64", "srcdoc=", "step 100", "All sides", "Timestep t"):
        assert part in page
    assert "1 h 2 min" in page
    assert "Not shown" in page  # the line of metrics.jsonl that was cut short
    assert "1 lines of metrics.jsonl" in page
    assert "<b>name</b>: dreamfusion  <i># a method</i>" in page
    assert page.count("<svg") == 4


def test_captions_say_what_pictures_show(run_folder):
    notes = run_folder / "export" / "pictures.json"
    notes.write_text(json.dumps({"turntable.mp4": "exported mesh", "sheet.png": "<splats>"}))
    page = write_report(run_folder).read_text(encoding="utf-8")
    notes.unlink()
    assert "turntable of the exported mesh" in page and "All sides of the &lt;splats&gt;" in page


def test_empty_folder_makes_a_page_of_notes(tmp_path):
    text = write_report(tmp_path).read_text()
    for name in ("manifest.json", "metrics.jsonl", "export/turntable.mp4", "export/mesh.glb", "config.yaml"):
        assert f"there is no {name}" in text
    assert "no mesh was exported" in text


def test_broken_files_are_noted(tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "previews").mkdir()
    for name in ("manifest.json", "export/mesh.glb", "previews/1.png", "export/turntable.mp4"):
        (tmp_path / name).write_bytes(b"" if name.endswith("mp4") else b"\xff broken")
    (tmp_path / "metrics.jsonl").write_text('[1]\n{"step": null}\n{"loss": 1}\n{"step": 1, "loss": NaN}\n')
    text = write_report(tmp_path).read_text()
    assert len(re.findall("cannot be used", text)) == 4
    assert str(tmp_path) not in text
    assert "3 lines of metrics.jsonl cannot be read" in text


def test_stages_count_on(run_folder):
    metrics = read_metrics(run_folder / "metrics.jsonl")
    assert metrics.stages == {"coarse": 0, "fine": 390}
    assert metrics.last_step == 780
    assert [chart.title for chart in charts(metrics)] == ["Loss", "Loss terms", "Timestep t", "Learning rate"]


def test_curves_follow_the_pages_colours_and_are_the_same_again(run_folder):
    metrics = read_metrics(run_folder / "metrics.jsonl")
    svg = plot([metrics.curves["loss"]], metrics.stages)
    assert svg.startswith("<svg")
    assert "var(--ink)" in svg
    assert "#01020" not in svg
    assert svg == plot([metrics.curves["loss"]], metrics.stages)


def test_single_point_and_odd_names_can_be_drawn(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "loss/$a_{<b>": 0, "x $ y": 1}\n')
    drawn = charts(read_metrics(tmp_path / "metrics.jsonl"))
    assert len(drawn) == 2
    assert "<b>" not in "".join(chart.svg for chart in drawn)


def test_viewer_holds_the_mesh_and_its_light(run_folder):
    text = viewer_html(run_folder / "export" / "mesh.glb")
    assert "HemisphereLight" in text.rsplit("</script>", 2)[-2]
    assert "$B64GLTF" not in text


@pytest.mark.parametrize(("seconds", "words"), [(2.34, "2.3 s"), (119.9, "1 min 59 s"), (3725, "1 h 2 min")])
def test_durations(seconds, words):
    assert format_duration(seconds) == words


def test_flatten_joins_keys():
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == [("a.b", "1"), ("a.c", "1, 2"), ("d", "")]
