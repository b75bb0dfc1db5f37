"""Printing of a resolved config with the origin of each value as an aligned comment."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from maquette.config.origins import Origin


def annotate_origins(text: str, origin: Callable[[str], Origin]) -> str:
    """`text` (YAML) with a comment `# file:line` after each line that holds a value."""
    keys = _keys_by_line(yaml.compose(text), "")
    lines = text.splitlines()
    width = min(max((len(line) for line in lines), default=0), 70) + 2
    annotated_lines = []
    for number, line in enumerate(lines):
        comment = f"# {origin(keys[number]).text}" if number in keys else ""
        annotated_lines.append(f"{line:<{width}}{comment}".rstrip())
    return "\n".join(annotated_lines) + "\n"


def _keys_by_line(node: yaml.Node | None, key: str) -> dict[int, str]:
    if isinstance(node, yaml.MappingNode):
        keys: dict[int, str] = {}
        for name, value in node.value:
            keys.update(_keys_by_line(value, f"{key}.{name.value}".lstrip(".")))
        return keys
    if isinstance(node, yaml.SequenceNode) and node.value and key:
        return {node.start_mark.line: key}
    return {node.start_mark.line: key} if node is not None and key else {}
