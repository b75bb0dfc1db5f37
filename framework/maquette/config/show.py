"""A resolved config with the origin of each value as an aligned comment."""

from __future__ import annotations

from collections.abc import Callable

import yaml

from maquette.config.origins import Origin


def annotated(text: str, origin: Callable[[str], Origin]) -> str:
    """`text` (YAML) with `# file:line` behind each line that holds a value."""
    keys = _keys_by_line(yaml.compose(text), "")
    lines = text.splitlines()
    width = min(max((len(line) for line in lines), default=0), 70) + 2
    shown = []
    for number, line in enumerate(lines):
        comment = f"# {origin(keys[number]).text}" if number in keys else ""
        shown.append(f"{line:<{width}}{comment}".rstrip())
    return "\n".join(shown) + "\n"


def _keys_by_line(node: yaml.Node | None, key: str) -> dict[int, str]:
    if isinstance(node, yaml.MappingNode):
        found: dict[int, str] = {}
        for name, value in node.value:
            found.update(_keys_by_line(value, f"{key}.{name.value}".lstrip(".")))
        return found
    if isinstance(node, yaml.SequenceNode) and node.value and key:
        return {node.start_mark.line: key}
    return {node.start_mark.line: key} if node is not None and key else {}
