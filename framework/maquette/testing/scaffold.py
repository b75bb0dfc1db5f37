"""`maquette plugin new`: a package with one part that works, from templates."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from maquette.config.examples import facts_of_examples
from maquette.errors import ConfigError
from maquette.plugins import API_VERSION
from maquette.registry import check_kind

TEMPLATES = Path(__file__).parent / "templates"
LICENSE = "Apache-2.0"
FILES = {
    "pyproject.toml": "pyproject.toml", "README.md": "README.md", ".gitignore": "gitignore",
    ".github/workflows/test.yml": "workflow.yml", "{module}/__init__.py": "init.py",
    "{module}/maquette-plugin.toml": "maquette-plugin.toml", "{module}/plugin.py": "plugin.py",
    "tests/test_{file}.py": "test.py",
}  # fmt: skip
"""File of a package -> template."""


@dataclass(frozen=True)
class Example:
    """How a method, a training recipe or a suite uses a part of a kind.

    Args:
        yaml: what stands below `name` and `summary`; NAME is the part's, DATA a data set that is there.
        folder: "methods", "training" or "suites".
        words: overrides with which it can be read.
    """

    yaml: str
    folder: str = "methods"
    words: tuple[str, ...] = ("prompt=a red mug",)


def _of_dreamfusion(stage: str) -> Example:
    return Example(f"extends: dreamfusion\nstages: {{nerf: {stage}}}\n")


EXAMPLES: dict[str, Example] = {
    "cameras": _of_dreamfusion("{cameras: {type: NAME, count: 1, size: 64}}"),
    "geometry": _of_dreamfusion("{geometry: {type: NAME, radius: 0.4}}"),
    "material": _of_dreamfusion("{material: {type: NAME, contrast: 1.5}}"),
    "background": _of_dreamfusion("{background: {type: NAME, low: 0.3}}"),
    "renderer": _of_dreamfusion("{renderer: {type: NAME, samples: 48}, ~losses.orientation: }"),
    "prior": _of_dreamfusion("{guidance: {sds: {prior: {type: NAME, color: [0.8, 0.2, 0.1]}}}}"),
    "score": _of_dreamfusion("{guidance: {sds: {score: {type: NAME, scale: 20}}}}"),
    "schedule": _of_dreamfusion("{losses: {opacity: {weight: {type: NAME, power: 3, from: 0.01, to: 0.1}}}}"),
    "noise": _of_dreamfusion("{guidance: {sds: {prior: {noise: {type: NAME, power: 1.2}}}}}"),
    "timesteps": _of_dreamfusion("{guidance: {sds: {objective: {timesteps: {type: NAME, power: 1.5}}}}}"),
    "objective": _of_dreamfusion("{guidance: {sds: {objective: {type: NAME, weighting: uniform}}}}"),
    "loss": _of_dreamfusion("{losses: {NAME: {weight: 0.1}}}"),
    "densification": Example(
        "extends: dreamgaussian\nstages: {gaussians: {geometry: {densification: {type: NAME, every: 50}}}}\n"
    ),
    "data": Example(
        "stages:\n  fit:\n    type: optimise\n    steps: 200\n    data: {type: NAME, views: 8}\n"
        "    geometry: {type: voxel-grid, blob: magic3d}\n    material: plain\n    background: solid\n"
        "    renderer: volume\n    losses: {rgb: {weight: 1.0}}\n",
        words=(),
    ),
    "generator": Example("extends: instant\nstages: {shape: {start: {type: NAME, radius: 0.5}}}\n"),
    "matting": Example("extends: instant\nstages: {views: {matting: {type: NAME, threshold: 0.9}}}\n"),
    "callback": _of_dreamfusion("{loop: {callbacks: {NAME: {every: 20}}}}"),
    "stop": _of_dreamfusion("{loop: {stop: {NAME: {below: 0.01}}}}"),
    "stereo": Example("extends: deep3d\nstereo: {type: NAME, near: -0.02}\n", words=("image=left.png",)),
    "exporter": Example("extends: dreamfusion\nstages: {export: {exporters: {NAME: {resolution: 64}}}}\n"),
    "stage": Example("extends: dreamfusion\nstages: {count: {type: NAME, digits: 8}}\n"),
    "learner": Example(
        "stages:\n  model:\n    type: train\n    dataset: DATA\n"
        "    learner: {type: NAME, width: 64}\n    steps: 100\n    batch: 16\n", "training", (),
    ),
    "dataset": Example(
        "stages:\n  model:\n    type: train\n    dataset: {type: NAME, size: 32}\n"
        "    learner: {type: text-to-image, size: 32}\n    steps: 100\n    batch: 16\n", "training", (),
    ),
    "metric": Example(
        "method: dreamfusion\nmetrics: {NAME: {views: 8}}\nseeds: [0]\ncases:\n  - {prompt: a red mug}\n", "suites"
    ),
    "truth": Example(
        "method: dreamfusion\nmetrics: {surface-distance: {}}\nseeds: [0]\ncases:\n"
        "  - {prompt: a grey cube, truth: {type: NAME, side: 1.0}}\n", "suites",
    ),
}  # fmt: skip
"""Kind -> example of a part of that kind as `maquette plugin new` writes it."""


def write_package(package: str, kind: str, folder: Path, part: str = "") -> Path:
    """Write a package with one part of a kind; returns its folder, `folder/package`.

    Args:
        package: name of the package.
        kind: of the part.
        folder: where the package's folder is made.
        part: name of the part; "": that of the package.

    Raises:
        ConfigError: a name is none, or the folder exists.
        UnknownPartError: there is no such kind.
    """
    check_kind(kind)
    for name in (package, part or package):
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or name == "maquette":
            raise ConfigError(f"{name!r} is no name of a package", hint="write lower-case words with hyphens: my-loss")
    taken = {*keyword.kwlist, "plugin", "tests"}
    for name, others in ((package, taken | sys.stdlib_module_names), (part or package, taken)):
        if module_name(name) in others:
            raise ConfigError(f"{name!r} is a word of Python, or a module that is there already", hint=f"try my-{name}")
    place = folder / package
    if place.exists():
        raise ConfigError(f"{place} exists", hint="give another name, or another --folder")
    for path, text in _texts(package, part or package, kind).items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return place


def part_source(part: str, kind: str) -> str:
    """The source of the part of this name and kind that a new package has."""
    return _texts(part, part, kind)[f"{module_name(part)}/{module_name(part)}.py"]


def module_name(name: str) -> str:
    """The importable name of a package or part: `my_loss` for `my-loss`."""
    return name.replace("-", "_")


def _texts(package: str, part: str, kind: str) -> dict[str, str]:
    """Path below the package's folder -> text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    module, file, example = module_name(package), module_name(part), EXAMPLES[kind]
    source = environment.get_template(f"parts/{kind}.py.j2")
    cls = "".join(word.capitalize() for word in part.split("-"))
    summary = _summary(source.render(name=part, cls=cls, summary=""))
    values = {
        "package": package, "name": part, "kind": kind, "module": module, "file": file, "cls": cls, "summary": summary,
        "license": LICENSE, "api": API_VERSION.partition(".")[0], "next_api": int(API_VERSION.partition(".")[0]) + 1,
        "folder": example.folder, "words": [*example.words], "example": f"{part}-example.yaml",
    }  # fmt: skip
    texts = {
        path.format(module=module, file=file): environment.get_template(f"package/{template}.j2").render(values)
        for path, template in FILES.items()
    }
    texts[f"{module}/{file}.py"] = source.render(values)
    data = str(facts_of_examples()["training_data"]).replace("'", "")
    recipe = example.yaml.replace("NAME", part).replace("DATA", data)
    head = f"name: {part}-example\nsummary: uses the {kind} {part}\n"
    texts[f"{module}/configs/{example.folder}/{part}-example.yaml"] = head + recipe
    return {path: text if text.endswith("\n") else f"{text}\n" for path, text in texts.items()}


def _summary(source: str) -> str:
    """The first line of the docstring of the class in a source."""
    match = re.search(r'^class .*?:\n    """(.*?)(?:"""|\n)', source, re.MULTILINE)
    assert match is not None
    return match[1]
