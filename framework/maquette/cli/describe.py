"""The command `maquette describe`: a part, a method, or one key of a method, with all options."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from maquette.cli import completion

if TYPE_CHECKING:
    from maquette.config.descriptions import Option


def describe(
    reference: Annotated[
        str,
        typer.Argument(
            help="KIND/NAME of a part, such as prior/zero123; a name alone if it is unique; or a method",
            autocompletion=completion.references,
        ),
    ],
    key: Annotated[
        str,
        typer.Argument(help="of a method: a dotted key, such as stages.nerf.guidance", autocompletion=completion.keys),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON with stable keys")] = False,
) -> None:
    """Print what a part, a method or a key of a method is, and its options: type, default, range, unit, meaning.

    maquette describe prior/zero123

    maquette describe dreamfusion stages.nerf.guidance
    """
    from maquette import plugins
    from maquette.errors import ConfigError

    plugins.load()
    kind, name = _resolve(reference)
    if kind == "method":
        facts = _method(name, key)
    elif key:
        raise ConfigError(f"{kind}/{name} is a part, and keys are of methods", hint=f"leave out {key!r}")
    else:
        facts = _part(kind, name)
    if as_json:
        typer.echo(json.dumps(_plain(facts), indent=1, ensure_ascii=False))
    else:
        _print(facts)


def _resolve(reference: str) -> tuple[str, str]:
    """Kind and name of what a reference means.

    Raises:
        ConfigError: it means nothing, or several things; the message lists these.
    """
    from maquette import registry
    from maquette.config import paths
    from maquette.errors import ConfigError, did_you_mean

    word, slash, name = reference.partition("/")
    kind = registry.FOLDERS.get(word, word)
    if slash and kind in registry.KINDS:
        if name not in registry.names(kind):
            registry.get(kind, name)  # raises, with the nearest name
        return kind, name
    if reference.endswith(paths.SUFFIXES) or (slash and kind in ("method", "methods")):
        return "method", reference if reference.endswith(paths.SUFFIXES) else name
    names = {f"{kind}/{name}": (kind, name) for kind in registry.KINDS for name in registry.names(kind)}
    names |= {f"method/{name}": ("method", name) for name in paths.available("methods")}
    meanings = [text for text, (_, name) in names.items() if name == reference]
    if len(meanings) == 1:
        return names[meanings[0]]
    of_kind = f"`maquette list {reference}` lists the parts of this kind" if kind in registry.KINDS else ""
    if meanings:
        hint = "; ".join(filter(None, [f"say which: {', '.join(meanings)}", of_kind]))
        raise ConfigError(f"{reference!r} is several things", hint=hint)
    if of_kind and not slash:
        raise ConfigError(f"{reference!r} is a kind of parts, and no part", hint=of_kind)
    hint = did_you_mean(reference, names if slash else [*names, *(name for _, name in names.values())])
    raise ConfigError(
        f"there is no part or method called {reference!r}",
        hint=f"{hint}`maquette list` and `maquette list KIND` say what there is",
    )


def _part(kind: str, name: str) -> dict[str, Any]:
    from maquette.config.descriptions import describe_part
    from maquette.config.examples import example
    from maquette.config.fits import fitting_parts

    part, sample = describe_part(kind, name), example(kind, name)
    fits = fitting_parts(kind, name)
    if fits is None and kind in (
        "geometry",
        "material",
        "background",
        "renderer",
        "prior",
        "score",
        "objective",
        "loss",
    ):
        fits = _computed_fits(kind, name)
    return {
        "kind": kind, "name": name, "summary": part.summary, "doc": part.doc, "source": part.source,
        "owner": part.owner, "target": part.target, "fits": fits, "options": part.options,
        "example": {"file": "mine.yaml", "text": sample.text, "command": sample.command},
    }  # fmt: skip


def _computed_fits(kind: str, name: str) -> Any:
    """What a plugin's part goes together with; None: its options have no defaults to judge by."""
    from maquette.stages.assembly import with_defaults
    from maquette.stages.fits import fits

    spec = with_defaults(kind, name)
    return fits(spec) if spec else None


def _method(name: str, key: str) -> dict[str, Any]:
    from maquette.config.keys import describe_key, describe_method

    return describe_key(name, key) if key else describe_method(name)


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        name: [option.to_plain() for option in value] if name == "options" else value for name, value in facts.items()
    }


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console

    from maquette.cli.list import fit_words

    console = Console()

    def say(text: str, style: str | None = None) -> None:
        console.print(text, markup=False, highlight=False, style=style, soft_wrap=False)

    title = f"{facts['kind']}/{facts['name']}" if facts["kind"] != "key" else f"{facts['method']} {facts['name']}"
    owner = f"  ({facts['owner']}, {facts['target']})" if "target" in facts else ""
    say(f"{title}{owner}", "bold")
    for text in (facts["summary"], facts.get("doc", "")):
        if text:
            say(f"{_reflowed(text)}\n")
    if facts.get("source"):
        say(f"Source: {facts['source']}\n")
    if words := fit_words(facts.get("fits")):
        say(f"{words[0].upper()}{words[1:]}.\n")
    for name in ("value", "from", "below", "choices", "stages", "command"):
        if facts.get(name) not in (None, "", {}):
            say(f"{name}: {_words(facts[name])}")
    if facts.get("options"):
        console.print(_table(facts["options"], facts.get("set", {})), markup=False)
    if "example" in facts:
        say(f"\n{facts['example']['file']}, to be run by: {facts['example']['command']}\n", "bold")
        typer.echo(facts["example"]["text"])


def _words(value: Any) -> str:
    from maquette.config.origins import dump_flow

    if isinstance(value, dict):
        return "".join(f"\n  {name}: {item}" for name, item in value.items())
    return value if isinstance(value, str) else dump_flow(value)


def _reflowed(text: str) -> str:
    """A text without its line breaks within paragraphs; indented lines stay."""
    paragraphs = [paragraph.splitlines() for paragraph in text.split("\n\n")]
    return "\n\n".join(
        "\n".join(lines) if any(line.startswith((" ", "- ", "`")) for line in lines) else " ".join(lines)
        for lines in paragraphs
    )


def _table(options: tuple[Option, ...], values: dict[str, Any]) -> Any:
    """A table of options; with the values that a method sets, if it sets any."""
    from rich.table import Table

    from maquette.config.descriptions import walk
    from maquette.config.origins import dump_flow

    table = Table(box=None, pad_edge=False)
    for column in ("option", "default", *(["here"] if values else []), "what it is"):
        table.add_column(column, overflow="fold", max_width=26 if column in ("default", "here") else None)
    for key, option in walk(options).items():
        default = "(required)" if option.required else "" if option.options else dump_flow(option.default)
        here = [dump_flow(_at(values, key, option)) if _at(values, key, option) is not None else ""] if values else []
        table.add_row(key, default, *here, meaning(option))
    return table


def _at(values: dict[str, Any], key: str, option: Option) -> Any:
    """What a method sets at a key, or of the part there; None: nothing."""
    of_part = {name.removeprefix(f"{key}."): value for name, value in values.items() if name.startswith(f"{key}.")}
    return values.get(key, of_part if of_part and option.part else None)


def meaning(option: Option) -> str:
    """Documentation, type, range and unit of an option, in one text."""
    unit = option.unit if option.unit and option.unit not in option.doc else ""
    kind = ", ".join(filter(None, (option.type, option.range, unit)))
    symbol = f"{option.symbol} of the paper" if option.symbol and option.doc != option.symbol else ""
    doc = f"{option.doc} of the paper" if option.doc and option.doc == option.symbol else option.doc
    return f"{doc} ({'; '.join(filter(None, (kind, symbol)))})" if doc else kind
