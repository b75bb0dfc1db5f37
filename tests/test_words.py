"""The code speaks the field's words: identifiers of our own invention stay out, each exception with its reason."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache

import pytest

from project import ROOT

SOURCES = [path for folder in ("framework", "plugins", "benchmarks") for path in sorted((ROOT / folder).rglob("*.py"))]
SOURCES = [path for path in SOURCES if "tests" not in path.parts]

IDENTIFIERS = {
    "found": "a noun: path, names, result", "known": "available, target, reference", "seen": "visible, views",
    "wanted": "target, expected", "kept": "mask, remaining", "made": "a noun", "shown": "rendering, input",
    "drawn": "sampled, rendering", "told": "conditioning", "given": "a noun", "asked": "a noun", "said": "a noun",
    "moved": "a noun", "joined": "a noun", "sight": "control inputs", "sees": "input", "watch": "add control inputs",
    "watches": "capabilities", "beside": "auxiliary, temporary path", "share": "fraction", "shares": "weights",
    "supervision": "data",
}  # fmt: skip
"""Identifiers that are house words -> what to say instead."""

PHRASES = {
    r"\b(?:is|are) told\b": "conditioned on", r"\bof its make\b": "of this kind", r"\bthose of its\b": "name the thing",
    r"\bis seen as it\b": "say what is compared", r"\bwhose (?:cameras|views) do\b": "name the subject",
    r"\bto the eye of\b": "in the features of",
}  # fmt: skip
"""Turns of phrase in docstrings -> what to say instead."""

EXCEPTIONS: dict[tuple[str, str], str] = {}
"""(file, word) -> why it stays."""


@cache
def _name_key(kind: type[ast.AST]) -> str | None:
    """The field of a node that is a name."""
    return next((key for key in ("id", "arg", "attr", "name") if key in kind._fields), None)


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if (key := _name_key(type(node))) and isinstance(name := getattr(node, key), str):
            yield name.strip("_")


def _docstrings(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            yield " ".join((ast.get_docstring(node) or "").split())


@cache
def _trees() -> dict[str, ast.AST]:
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in SOURCES}


@cache
def _names_by_file() -> dict[str, Counter[str]]:
    return {file: Counter(_names(tree)) for file, tree in _trees().items()}


@pytest.mark.parametrize("word", IDENTIFIERS)
def test_no_identifier_is_a_house_word(word: str) -> None:
    counts = {file: names[word] for file, names in _names_by_file().items() if word in names}
    left = {file: count for file, count in counts.items() if (file, word) not in EXCEPTIONS}
    assert not left, f"{word!r}: say {IDENTIFIERS[word]}: {left}"


def test_no_identifier_spells_colour() -> None:
    left = [f"{file}: {name}" for file, names in _names_by_file().items() for name in names if "colour" in name.lower()]
    assert not left


def test_no_docstring_has_a_riddle() -> None:
    left = [
        f"{file}: say {instead}"
        for file, tree in _trees().items()
        for text in _docstrings(tree)
        for phrase, instead in PHRASES.items()
        if re.search(phrase, text)
    ]
    assert not left
