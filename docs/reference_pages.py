"""Writes the reference pages of the documentation: `python docs/reference_pages.py docs/reference`.

There is a page for the top of a method file, one for each kind of part, made from the docstrings of the parts and the
comments behind the fields of their Configs, and one for the Python interface. `docs/conf.py` writes them before each
build; they are not committed.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import maquette
from maquette import plugins, registry
from maquette.config.descriptions import Option, PartDescription, describe_config, describe_part, walk
from maquette.config.schema import MethodConfig

KINDS: dict[str, tuple[str, str]] = {
    "stage": ("Stages", "A method is a list of stages, which run one after the other. Named under `stages`."),
    "geometry": ("Geometries", "What the object is: a field, a surface or a cloud of Gaussians."),
    "densification": ("Densification", "How a cloud of Gaussians grows and is thinned. Named under `geometry`."),
    "material": ("Materials", "How features of the geometry become colours."),
    "background": ("Backgrounds", "What is behind the object."),
    "renderer": ("Renderers", "How the object becomes pictures, for one form of geometry each."),
    "cameras": ("Cameras", "Where renderings are made from, at each step or for each sampled view."),
    "prior": ("Priors", "Diffusion models: what knows how objects look. `configs/priors` names weights for them."),
    "noise": (
        "Noise processes",
        "How much noise each timestep of a prior has. Named under `prior`.",
    ),
    "score": ("Scores", "How the predictions of a prior under several conditions become one."),
    "schedule": ("Schedules", "How a number gets from one value to another: `{type: cosine, from: 1.0, to: 0.1}`."),
    "timesteps": ("Timestep schedules", "Which noise levels the steps look at. Named under `objective`."),
    "objective": ("Objectives", "What the prediction of a prior does to the rendering."),
    "loss": ("Losses", "Regularisers, and comparisons with known pictures."),
    "data": ("Data", "What an object is known to look like."),
    "generator": ("Generators", "Feed-forward makers of shapes, which a stage may start from."),
    "matting": ("Matting", "What of a picture is the object."),
    "callback": ("Callbacks", "What else happens between the steps of a stage. Named under `loop.callbacks`."),
    "stop": ("Stopping criteria", "When a stage ends before its last step. Named under `loop.stop`."),
    "stereo": ("Stereo", "Makers of the right view of a left one."),
    "exporter": ("Exporters", "What is written of a finished object. Named in a stage of the type `export`."),
    "metric": ("Metrics", "What a suite measures of finished objects."),
    "truth": ("Truths", "What is known of the true object of a suite's case."),
    "learner": ("Learners", "What is trained by a recipe. Named in a stage of the type `train`."),
    "dataset": ("Datasets", "What learners learn from."),
}
"""Kind -> title of its page, and what it is."""
TABLE = "| option | type | default | range | what it is |\n|---|---|---|---|---|"


def write_reference(folder: Path) -> None:
    """Write all pages, those that changed alone, so that a build repeats only what it must."""
    plugins.load()
    pages = {name.replace("_", "-"): part_page(name) for name in KINDS}
    pages |= {"index": index_page(), "method": method_page(), "python": python_page()}
    folder.mkdir(exist_ok=True)
    for old in {path.stem for path in folder.glob("*.md")} - pages.keys():
        (folder / f"{old}.md").unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def index_page() -> str:
    """The list of the pages."""
    rows = [f"| [{title}]({kind}.md) | {what} | {len(registry.names(kind))} |" for kind, (title, what) in KINDS.items()]
    listed = "\n".join(["method", *KINDS, "python"])
    return (
        "# Reference\n\nEvery part of every kind, with every option. A part is named by its type in a method file, and "
        "its options stand beside the type; [the method language](../config.md) has the rules, and "
        "[what fits what](../fit.md) says which parts go together. `maquette describe KIND/NAME` prints the same. "
        "The keys at the top of a method file are on [a page of their own](method.md).\n\n"
        "| kind | what it is | parts |\n|---|---|---|\n" + "\n".join(rows)
        + "\n\nThe [Python interface](python.md) has a page of its own.\n\n"
        f"```{{toctree}}\n:hidden:\n\n{listed}\n```\n"
    )  # fmt: skip


def method_page() -> str:
    """The keys at the top of a method file."""
    rows = [_row(key, option) for key, option in walk(describe_config(MethodConfig)).items() if key != "groups"]
    head = "Given in the file or on the command line, as `output=results logger.type=tensorboard`."
    return "\n\n".join(["# Keys of a method", head, "\n".join([TABLE, *rows])]) + "\n"


def part_page(kind: str) -> str:
    """The parts of a kind."""
    title, what = KINDS[kind]
    parts = [describe_part(kind, name) for name in registry.names(kind)]
    rows = [f"| [`{part.name}`](#{_anchor(part)}) | {_cell(part.summary)} |" for part in parts]
    table = "\n".join(["| name | what it is |", "|---|---|", *rows])
    return "\n\n".join([f"# {title}", what, table, *map(part_section, parts)]) + "\n"


def part_section(part: PartDescription) -> str:
    """One part: what it is, its source, an example and its options."""
    blocks = [f"({_anchor(part)})=\n## {part.name}", _text(part.summary), _text(part.doc)]
    if part.source:
        blocks.append(f"Source: {_text(part.source)}")
    if part.owner != "maquette":
        blocks.append(f"Comes with the package `{part.owner}`.")
    blocks.append(f"```yaml\n{example(part)}\n```")
    rows = [_row(key, option) for key, option in walk(part.options).items()]
    blocks.append("\n".join([TABLE, *rows]) if rows else "It has no options.")
    return "\n\n".join(block for block in blocks if block)


def example(part: PartDescription) -> str:
    """YAML of the part with up to three of its options at their defaults, and those that have to be given."""
    given = {option.name: "..." for option in part.options if option.required}
    simple = [option for option in part.options if not option.required and not option.options and not option.part]
    for option in simple[: max(0, 3 - len(given))]:
        given[option.name] = json.dumps(option.default)
    inner = ", ".join([f"type: {part.name}", *(f"{name}: {value}" for name, value in given.items())])
    return f"{part.kind}: {{{inner}}}"


def python_page() -> str:
    """The names of `maquette`, with signatures and docstrings."""
    sections = []
    for name in sorted(maquette.__all__, key=lambda name: (name[0].isupper(), name)):
        value = getattr(maquette, name)
        kind = "class" if inspect.isclass(value) else "function"
        signature = f"```python\n{_signature(name, value)}\n```"
        sections.append(f"(python-{kind}-{name})=\n## {name}\n\n{signature}\n\n{_doc(value)}")
        if inspect.isclass(value):
            sections += [_member(name, *item) for item in vars(value).items() if _is_documented(*item)]
    return (
        "# Python interface\n\nWhat `import maquette as mq` hands out. [Python](../python.md) is the guide to it.\n\n"
        + "\n\n".join(sections)
        + "\n"
    )


def _member(owner: str, name: str, value: Any) -> str:
    inner = getattr(value, "func", getattr(value, "fget", value))
    inner = getattr(inner, "__func__", inner)
    return f"### {owner}.{name}\n\n{_doc(inner)}"


def _is_documented(name: str, value: Any) -> bool:
    kinds = hasattr(value, "func") or isinstance(value, (property, staticmethod)) or inspect.isfunction(value)
    inner = getattr(value, "func", getattr(value, "fget", value))
    return kinds and not name.startswith("_") and bool(inspect.getdoc(inner))


def _signature(name: str, value: Any) -> str:
    if inspect.isclass(value) and issubclass(value, Exception):
        return f"class {name}({value.__mro__[1].__name__})"
    text = f"{name}{inspect.signature(value)}"
    text = re.sub(r"(?:\b[A-Za-z_]\w*\.)+(\w+)", r"\1", text).replace("'", "")
    if len(text) > 100:
        head, _, rest = text.partition("(")
        arguments, _, result = rest.rpartition(")")
        lines = re.split(r", (?![^\[(]*[\])])", arguments)
        text = f"{head}(\n" + "".join(f"    {line},\n" for line in lines) + f"){result}"
    return text


def _doc(value: Any) -> str:
    """A docstring as Markdown: its sections become lists and code."""
    lines, section, out = inspect.getdoc(value).split("\n"), "", []  # type: ignore[union-attr]
    for line in lines:
        if re.fullmatch(r"(Args|Returns|Raises|Example|Attributes|Source):", line):
            section = line[:-1]
            out += ["", f"**{section}**", ""]
        elif section == "Example":
            out.append(line)  # indented by four: code
        elif section in ("Args", "Raises", "Attributes") and (match := re.match(r"    ([\w, ]+): (.*)", line)):
            names = ", ".join(f"`{name.strip()}`" for name in match[1].split(","))
            out.append(f"- {names}: {_text(match[2])}")
        else:
            out.append(f"  {_text(line.strip())}" if section and line.strip() else _text(line))
    return "\n".join(out)


def _anchor(part: PartDescription) -> str:
    return f"{part.kind}-{part.name}"


def _row(key: str, option: Option) -> str:
    default = "required" if option.required else f"`{_short(option.default)}`"
    legal = ", ".join(filter(None, [option.range, option.unit]))
    symbol = f"{option.symbol}: " if option.symbol and not option.doc.startswith(option.symbol) else ""
    return f"| `{key}` | {_cell(option.type)} | {_cell(default)} | {_cell(legal)} | {_cell(symbol + option.doc)} |"


def _short(value: Any) -> str:
    if isinstance(value, dict) and value:
        return f"{{type: {value['type']}}}" if "type" in value else "see below"
    return json.dumps(value)


def _cell(text: str) -> str:
    return text if text.startswith("`") else _text(text).replace("|", "\\|").replace("\n", " ")


def _text(text: str) -> str:
    """Text of a docstring as Markdown, in which `<`, `*`, `_` and `[` stand for themselves outside of code."""
    pieces = re.split(r"(`[^`]*`)", text)
    return "".join(piece if i % 2 else re.sub(r"([<*_\[\]$])", r"\\\1", piece) for i, piece in enumerate(pieces))


def main(words: Iterable[str]) -> None:
    (folder,) = words
    write_reference(Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
