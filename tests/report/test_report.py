import base64
import gzip
import io
import json
import re

import numpy as np
import pytest
import trimesh
from PIL import Image

from command_line import run_folder as run
from maquette.report import write_report
from maquette.report.curves import charts, plot, read_metrics
from maquette.report.page import flatten, format_duration
from maquette.report.viewer import LIBRARY, mesh_picture, model_view

ADDRESS = r"""\s*["']?\s*(?:https?:)?//"""
LOADS = re.compile(rf"(?:src|href|srcset|poster|action|data)\s*={ADDRESS}|url\({ADDRESS}|@import")


@pytest.fixture(scope="module")
def page(run_folder):
    return write_report(run_folder).read_text(encoding="utf-8")


def test_page_loads_nothing_from_anywhere(page):
    assert not LOADS.search(page)
    assert "default-src 'none'" in page


def test_hostile_prompt_is_shown_and_not_run(page):
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(&#39;prompt&#39;)&lt;/script&gt;" in page
    assert "49" not in re.search(r"<h1.*?</h1>", page, re.DOTALL).group(0)
    assert "杯" in page


def test_page_shows_all_there_is(page):
    for part in ("data:video/mp4;base64", "data:model/gltf-binary;base64", "step 100", "All sides", "Timestep t"):
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


def test_page_of_a_real_run_shows_the_previews_of_each_stage(tmp_path):
    stage = """
    type: optimise
    steps: 2
    cameras: {type: fixed, size: 8}
    geometry: {type: voxel-grid, resolution: 4}
    material: plain
    background: solid
    renderer: {type: volume, samples: 4}
    losses: {opacity: {weight: 1.0}}
    loop: {device: cpu, log_every: 0, preview_every: 1}
"""
    method = tmp_path / "two.yaml"
    method.write_text(f"name: two\nprompt: a mug\nstages:\n  second:{stage}  first:{stage}")
    text = (run("run", str(method), f"output={tmp_path / 'out'}") / "report.html").read_text(encoding="utf-8")
    alts = [f'alt="the object at step {step} of stage {name}"' for name in ("second", "first") for step in (1, 2)]
    places = [text.index(alt) for alt in alts]
    assert places == sorted(places)  # stages in the order in which they ran
    assert "previews: there are none" not in text


def test_the_gif_is_a_file_beside_the_page_unless_there_is_no_video(run_folder, tmp_path):
    assert "data:image/gif" not in write_report(run_folder).read_text()
    assert "onerror=" in write_report(run_folder).read_text()
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "turntable.gif").write_bytes((run_folder / "export" / "turntable.gif").read_bytes())
    assert "data:image/gif;base64" in write_report(tmp_path).read_text()


def test_empty_folder_makes_a_page_of_notes(tmp_path):
    text = write_report(tmp_path).read_text()
    for name in ("manifest.json", "metrics.jsonl", "export/turntable.mp4", "export/mesh.glb", "config.yaml"):
        assert f"there is no {name}" in text
    assert "no mesh was exported" in text


def test_broken_files_are_noted(tmp_path):
    (tmp_path / "export").mkdir()
    (tmp_path / "previews" / "nerf").mkdir(parents=True)
    for name in ("manifest.json", "export/mesh.glb", "previews/nerf/1.png", "export/turntable.mp4"):
        (tmp_path / name).write_bytes(b"" if name.endswith("mp4") else b"\xff broken")
    (tmp_path / "metrics.jsonl").write_text('[1]\n{"step": null}\n{"loss": 1}\n{"step": 1, "loss": NaN}\n')
    text = write_report(tmp_path).read_text()
    assert len(re.findall("cannot be used", text)) == 4
    assert "previews/nerf/1.png cannot be used" in text
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


def test_viewer_holds_the_mesh_and_the_library_whole(run_folder):
    view = model_view(run_folder / "export" / "mesh.glb")
    assert base64.b64decode(view.model.split(",")[1]) == (run_folder / "export" / "mesh.glb").read_bytes()
    assert LIBRARY.read_bytes().startswith(gzip.decompress(base64.b64decode(view.script)))
    assert len(view.script) < 400_000


def test_mesh_picture_shows_the_front_upright_with_alpha(tmp_path):
    box = trimesh.creation.box(extents=(0.2, 1.0, 0.6))  # glTF's axes: y up, front along +z
    front = np.isclose(box.vertices[:, 2], 0.3)
    colors = np.where(front[:, None], [0, 255, 0, 255], [255, 0, 0, 255]).astype(np.uint8)
    trimesh.Trimesh(box.vertices, box.faces, vertex_colors=colors, process=False).export(tmp_path / "box.glb")
    url = mesh_picture(tmp_path / "box.glb")
    rgba = np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGBA"), float) / 255
    rows, columns = np.nonzero(rgba[..., 3] > 0.5)
    assert np.ptp(rows) > 0.7 * len(rgba) > 0.3 * len(rgba) > np.ptp(columns)  # upright, and the picture is filled
    red, green = rgba[len(rgba) // 2, len(rgba) // 2, :2]
    assert green > 0.8 > 0.2 > red


@pytest.mark.parametrize(("seconds", "words"), [(2.34, "2.3 s"), (119.9, "1 min 59 s"), (3725, "1 h 2 min")])
def test_durations(seconds, words):
    assert format_duration(seconds) == words


def test_flatten_joins_keys():
    assert flatten({"a": {"b": 1, "c": [1, 2]}, "d": None}) == [("a.b", "1"), ("a.c", "1, 2"), ("d", "")]


def test_page_of_a_flight_shows_its_films_pictures_and_sheet_with_their_captions(tmp_path):
    export = tmp_path / "export"
    export.mkdir()
    Image.new("RGB", (32, 16)).save(export / "still.png")
    Image.new("RGB", (64, 16)).save(export / "sheet.png")
    shows = {
        "flight.mp4": "a flight <over> world 7",
        "depth.mp4": "depth",
        "still.png": "frame 3",
        "sheet.png": "styles",
    }
    for name in ("flight.mp4", "depth.mp4", "other.mp4"):
        (export / name).write_bytes(name.encode())
    (export / "pictures.json").write_text(json.dumps(shows))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    films = [
        f"data:video/mp4;base64,{base64.b64encode(name.encode()).decode()}" for name in ("flight.mp4", "depth.mp4")
    ]
    assert all(page.count(film) == 1 for film in films) and page.index(films[0]) < page.index(films[1])
    assert "a flight &lt;over&gt; world 7" in page and "no turntable" not in page and "All sides" not in page
    assert page.count("frame 3") == 2 and 'alt="styles"' in page and page.count("<video") == 2
