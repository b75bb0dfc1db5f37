"""The pages of the documentation: links, images, commands, the methods' pages, and tables made from code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from typer.main import get_command

from maquette import registry
from maquette.bench.suites import load_suite
from maquette.cli.app import app
from maquette.config import paths
from maquette.config.loading import load_method
from maquette.config.parts import StageSpec, check
from maquette.stages.pictures import parse_pictures
from project import ROOT, examples, page

sys.path.append(str(ROOT / "docs"))
import method_costs
import reference_pages

DOCS = ROOT / "docs"
BUILT = (DOCS / "reference", DOCS / "notebooks", DOCS / "_build")  # made when the site is built
BUILT_PAGES = (DOCS / "reference" / "index.md", DOCS / "notebooks" / "tour.md")
PAGES = [path for path in sorted(DOCS.rglob("*.md")) if not any(path.is_relative_to(folder) for folder in BUILT)]
FRONT = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
METHODS = sorted((DOCS / "methods").glob("[!i]*.md")) + sorted((DOCS / "methods").glob("ins*.md"))
FORM = ("Run it", "How it works", "What comes out", "Its file", "Cost", "Claim")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
RUN_ELSEWHERE = {"plugins.md"}  # its commands make what its later ones name
COMMAND = re.compile(r"^(?:\w+=\S+ )*maquette (.*?)(?: +# .*)?$", re.MULTILINE)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _prose(path: Path) -> str:
    """The text of a page without its blocks of code."""
    return re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def _anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.*)$", _prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES + FRONT, ids=_name)
def test_links_and_images_lead_somewhere(path):
    broken = []
    for target in LINK.findall(_prose(path)):
        file, _, anchor = target.partition("#")
        if re.match(r"\w+:", target):
            continue
        place = (path.parent / file).resolve() if file else path
        if place.is_relative_to(DOCS / "reference") or place == DOCS / "notebooks" / "tour.md":
            continue  # made when the site is built, where a broken link is an error
        if not place.exists() or (anchor and anchor not in _anchors(place)):
            broken.append(target)
    assert not broken


def test_every_page_is_in_the_index():
    listed = set()
    for path in (DOCS / "index.md", DOCS / "methods" / "index.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text(), re.DOTALL):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            listed |= {(path.parent / f"{name}.md").resolve() for name in names}
    assert set(PAGES) - listed == {DOCS / "index.md"}
    assert not [path for path in listed if not path.exists() and path not in BUILT_PAGES]


def commands(path: Path) -> list[str]:
    """The commands of maquette in the blocks of a page, lines that end in a backslash joined."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in COMMAND.findall(block.replace("\\\n", ""))]


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """A working folder that has what the commands name."""
    monkeypatch.chdir(tmp_path)
    for name in ("robot.png", "teddy_bear_rgba.png", "hamburger_rgba.png", "PICTURE.png", "...", "mug.png"):
        Image.new("RGBA", (8, 8)).save(tmp_path / name, "PNG")
    for name in ("FOLDER", "RUN_FOLDER"):
        (tmp_path / name).mkdir()
    (tmp_path / "RUN_FOLDER" / "config.yaml").touch()
    for file in ("suites", "config"):
        for text in examples(file, "yaml"):
            if name := re.match(r"# ([\w-]+\.yaml)", text):
                (tmp_path / name[1]).write_text(text)


@pytest.mark.parametrize("path", PAGES + FRONT, ids=_name)
def test_commands_are_valid(path, inputs):
    """Commands exist; those that name a method, a prior or a suite of ours and have no options load what they name."""
    available = get_command(app).list_commands(None)  # those of plugins, too
    for line in commands(path):
        words = shlex.split(line)
        assert words[0] in available or words[0].startswith("-"), line
        options = any(word.startswith("-") for word in words)
        if path.name in RUN_ELSEWHERE or len(words) < 2 or (options and words[0] != "sample"):
            continue
        name, rest = words[1], words[2:]
        if words[0] in ("run", "show") and name in paths.available("methods"):
            load_method(name, rest, stand_ins={"prompt": "a mug"} if words[0] == "show" else None)
        elif words[0] in ("run", "show", "train"):
            recipe = words[0] == "train" and name in paths.available("training")
            assert recipe or name.isupper() or name.endswith(".yaml") or ":" in name or "/" in name, line
        elif words[0] == "bench" and rest and not rest[0].endswith(".yaml"):
            load_suite(rest[0])
        elif words[0] == "list" and name not in ("methods", "suites", "recipes"):
            assert name.removesuffix("s") in registry.KINDS or name.removesuffix("es") in registry.KINDS, line
        elif words[0] == "sample":
            parse_pictures(name, [word for word in rest if "=" in word])


def test_the_suite_of_the_page_loads(inputs):
    assert load_suite("mugs.yaml").cases[0].prompt == "a red mug"


@pytest.mark.parametrize("path", METHODS, ids=_name)
def test_a_method_page_has_the_form_of_all(path):
    text = path.read_text(encoding="utf-8")
    missing = [title for title in FORM if f"\n## {title}" not in text]
    assert not missing and "![" in text and "maquette run" in text


def test_every_method_has_its_file_and_its_cost_on_a_page():
    text = "".join(path.read_text(encoding="utf-8") for path in METHODS)
    for name in paths.available("methods"):
        assert f"../../configs/methods/{name}.yaml\n" in text and f"<!-- cost of {name} -->" in text, name


@pytest.mark.parametrize("path", METHODS, ids=_name)
def test_costs_are_those_of_the_configuration(path):
    text = path.read_text(encoding="utf-8")
    assert method_costs.with_tables(text) == text, "run: python docs/method_costs.py docs/methods"


def test_the_reference_has_every_kind_of_part():
    assert set(reference_pages.KINDS) == set(registry.KINDS)


def test_a_part_of_the_reference_has_its_options_and_an_example_that_loads():
    part = reference_pages.describe_part("loss", "orientation")
    text = reference_pages.part_section(part)
    assert '| `weight` | number or schedule | `[[0, 0.0001], ["33%", 0.01]]` |' in text and "Verbin et al. 2022" in text
    assert yaml.safe_load(reference_pages.example(part))["loss"] == {
        "type": "orientation",
        "weight": [[0, 1e-4], ["33%", 0.01]],
    }


def test_the_python_reference_has_every_public_name():
    import maquette

    text = reference_pages.python_page()
    assert all(f"\n## {name}\n" in text for name in maquette.__all__)
    assert "- `seed`: of the first." in text and "### Run.metrics" in text
    assert "    elevation_deg: float = 15.0,\n" in text


def test_the_method_of_the_concepts_is_valid():
    (method, schedules) = examples("concepts", "yaml")
    for name, stage in yaml.safe_load(method)["stages"].items():
        check(StageSpec, stage, f"stages.{name}", lambda key: None)
    from maquette.config.schedules import Schedule

    for line in schedules.splitlines():
        Schedule.parse(yaml.safe_load(line)["weight"])


CHECKS = """
from maquette.scene import Scene, Viewpoint

cameras = mq.part("cameras", "horizon", size=8).sample(Moment.at(3, 10, 0))
assert len(cameras) == 1 and cameras.elevation_deg.tolist() == [0.0]
parts = [("geometry", "mesh"), ("material", "plain"), ("background", "sky")]
scene = Scene(*(mq.part(*names) for names in parts), mq.part("renderer", "mesh", bound=1.0), Viewpoint())
assert 0 < float(mq.part("loss", "brightness")(scene.render_cameras(cameras), None)) < 1
volume = mq.part("metric", "volume")(scene, None).values["volume"]
assert abs(volume - 4 / 3 * 3.14159 * 0.6**3) < 0.02, volume
assert [path.name for path in mq.part("exporter", "surface")(scene, Path("new"))] == ["surface.ply"]
score = mq.part("score", "half-cfg", scale=3.0)
assert score.combine({"positive": 2.0, "unconditional": 1.0}) == ((1 + 3 * 1) + 2) / 2
settings = {"stages.nerf.losses.brightness.weight": 0.1, "stages.nerf.guidance.sds.score": "half-cfg"}
settings |= {"stages.nerf.guidance.sds.objective.type": "unweighted-sds", "stages.nerf.cameras.type": "horizon"}
assert "brightness" in mq.show("dreamfusion", settings)
"""


@pytest.mark.slow
def test_the_parts_of_the_page_work(tmp_path):
    """In a process of their own, since they are registered; two blocks show parts of a class."""
    code = [block for block in examples("parts", "python") if not block.startswith(" ")]
    (tmp_path / "page.py").write_text("\n".join([*code, CHECKS]))
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", ["renderer", "score"])
def test_a_page_of_the_reference_is_plain_markdown(kind):
    text = reference_pages.part_page(kind)
    assert all(
        line.count("|") - line.count("\\|") == 6
        for line in text.splitlines()
        if line.startswith("| `") and "](#" not in line
    )
    assert page("config") and "<class" not in text
