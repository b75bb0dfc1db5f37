"""Draw the floors of the house: `python docs/draw_floors.py docs/images/floors.svg`.

The order comes from CONTRIBUTING.md, the lines from the imports in the source. A line is left out where it follows from
others: where a package also imports something that imports the same.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "framework" / "maquette"
WIDTH, GAP = 12.0, 0.3  # of a floor, and between its boxes, in units of the picture
HEIGHT, BETWEEN = 0.5, 0.5  # of a box, and between floors
INK, PAPER = "#2b2b2b", "#f4efe6"


def floors() -> list[list[str]]:
    """The names on each line of CONTRIBUTING's list, the lowest floor first."""
    listed = re.search(r"```text floors\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert listed is not None, "CONTRIBUTING.md has no list of floors"
    lines = re.findall(r"^ *\d* +((?:\w+(?:\.py|/) ?)+)", listed[1], re.MULTILINE)
    return [[name.removesuffix("/").removesuffix(".py") for name in line.split()] for line in lines]


def imports(names: list[str]) -> dict[str, set[str]]:
    """What each package or module of ours imports of the others, anywhere in its files."""
    found: dict[str, set[str]] = {}
    for name in names:
        files = [PACKAGE / f"{name}.py"] if (PACKAGE / f"{name}.py").is_file() else (PACKAGE / name).rglob("*.py")
        used: set[str] = set()
        for file in files:
            for node in ast.walk(ast.parse(file.read_text())):
                modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module:
                    modules = [f"{node.module}.{alias.name}" for alias in node.names]
                used |= {module.split(".")[1] for module in modules if module.startswith("maquette.")}
        found[name] = (used & set(names)) - {name}
    return found


def essential(edges: dict[str, set[str]]) -> list[tuple[str, str]]:
    """The imports that do not follow from others (transitive reduction)."""

    @cache
    def below(name: str) -> frozenset[str]:
        return frozenset().union(*({other} | below(other) for other in edges[name]))

    return [
        (name, other)
        for name, others in edges.items()
        for other in sorted(others)
        if not any(other in below(between) for between in others - {other})
    ]


def draw(path: Path) -> None:
    """Write the picture."""
    matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "floors", "font.family": "sans-serif"})
    lines = floors()
    figure, axes = pyplot.subplots(figsize=(WIDTH, len(lines) * (HEIGHT + BETWEEN)))
    axes.set(xlim=(-0.2, WIDTH + 0.2), ylim=(-0.3, len(lines) * (HEIGHT + BETWEEN)))
    axes.axis("off")
    places: dict[str, tuple[float, float]] = {}
    for number, names in enumerate(lines):
        wide = (WIDTH - GAP * (len(names) + 1)) / len(names)
        wide, bottom = min(wide, 2.6), number * (HEIGHT + BETWEEN)
        left = (WIDTH - len(names) * (wide + GAP) + GAP) / 2
        for column, name in enumerate(names):
            x = left + column * (wide + GAP)
            places[name] = (x + wide / 2, bottom)
            box = FancyBboxPatch(
                (x, bottom), wide, HEIGHT, boxstyle="round,pad=0.02,rounding_size=0.08", facecolor=PAPER,
                edgecolor=INK, linewidth=0.8, zorder=2,
            )  # fmt: skip
            axes.add_patch(box)
            axes.text(x + wide / 2, bottom + HEIGHT / 2, name, ha="center", va="center", fontsize=11, color=INK)
    for upper, lower in essential(imports([name for line in lines for name in line])):
        (x, y), (u, v) = places[upper], places[lower]
        beside = y == v  # on one line, later names import earlier ones
        ends = ((x, y + HEIGHT + 0.02), (u, v + HEIGHT + 0.02)) if beside else ((x, y - 0.02), (u, v + HEIGHT + 0.02))
        arc = "arc3,rad=0.3" if beside else "arc3,rad=0"
        style = {"arrowstyle": "-|>", "mutation_scale": 8, "color": INK, "alpha": 0.45, "linewidth": 0.8, "zorder": 1}
        axes.add_patch(FancyArrowPatch(*ends, connectionstyle=arc, **style))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
