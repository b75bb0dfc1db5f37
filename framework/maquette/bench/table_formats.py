"""Tables of suites as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from maquette.bench.tables import Row, Table, beyond_chance

Format = Literal["md", "csv", "latex"]
ARROWS = {"higher": "↑", "lower": "↓"}
LATEX_ARROWS = {"higher": r"$\uparrow$", "lower": r"$\downarrow$"}
COST_TITLES = {
    "seconds": "s", "cpu_seconds": "CPU s", "peak_memory_mb": "memory, MB", "peak_gpu_memory_mb": "card memory, MB",
    "nonfinite": "steps not finite",
}  # fmt: skip


def format_table(table: Table, form: Format) -> str:
    """The table as text that ends with a line break.

    Markdown and LaTeX have means with half the width of the larger side of their intervals in one cell; CSV has a line
    for each method and value, with all figures.
    """
    return FORMATS[form](table)


def cells(table: Table) -> tuple[list[str], list[list[str]]]:
    """Titles of the columns and texts of the rows, as Markdown has them."""
    return _titles(table, ARROWS), [_texts(table, row, "±") for row in table.rows]


def _markdown(table: Table) -> str:
    titles, rows = cells(table)
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def _latex(table: Table) -> str:
    titles = _titles(table, LATEX_ARROWS)
    lines = [titles, *(_texts(table, row, r"$\pm$") for row in table.rows)]
    body = [" & ".join(map(_escaped, line)) + r" \\" for line in lines]
    head = rf"\begin{{tabular}}{{l{'r' * (len(titles) - 1)}}}"
    return "\n".join([head, r"\hline", body[0], r"\hline", *body[1:], r"\hline", r"\end{tabular}", ""])


def _csv(table: Table) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([
        "suite", "method", "value", "better", "mean", "low_95", "high_95", "cases", "seeds", "failed", "refused",
        "below_trivial", "above_oracle", "against", "difference", "difference_low_95", "difference_high_95",
        *COST_TITLES,
    ])  # fmt: skip
    for row in table.rows:
        for name, better in table.better.items():
            figures = row.values.get(name)
            if figures is None:
                continue
            difference = row.differences.get(name)
            paired = [table.against, difference["mean"], *difference["interval_95"]] if difference else ["", "", "", ""]
            writer.writerow([
                table.suite, row.name, name, better, figures["mean"], *figures["interval_95"], figures["cases"],
                row.seeds, row.failed, row.refused, row.below_trivial, int(name in row.above_oracle), *paired,
                *(row.costs.get(cost, "") for cost in COST_TITLES),
            ])  # fmt: skip
    return stream.getvalue()


FORMATS: Mapping[Format, Callable[[Table], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}


def _costs(table: Table) -> list[str]:
    return [name for name in COST_TITLES if any(row.costs.get(name) for row in table.rows)]


def _titles(table: Table, arrows: Mapping[str, str]) -> list[str]:
    values = [f"{name} {arrows[better]}" for name, better in table.better.items()]
    counts = ["cases", "seeds", "failed", "refused", "below trivial"]
    return ["method", *values, *(COST_TITLES[name] for name in _costs(table)), *counts]


def _texts(table: Table, row: Row, plus_minus: str) -> list[str]:
    values = [_value(table, row, name, plus_minus) for name in table.better]
    costs = [f"{row.costs[name]:g}" if name in row.costs else "" for name in _costs(table)]
    return [row.name, *values, *costs, *map(str, (row.cases, row.seeds, row.failed, row.refused, row.below_trivial))]


def _value(table: Table, row: Row, name: str, plus_minus: str) -> str:
    """Mean, half width of its interval, and the difference to the method compared with, marked if beyond chance."""
    figures = row.values.get(name)
    if figures is None:
        return ""
    low, high = figures["interval_95"]
    mean = figures["mean"]
    text = f"{mean:.4g}"
    if figures["cases"] > 1:
        text += f" {plus_minus} {max(high - mean, mean - low):.2g}"
    if name in row.above_oracle:
        text += " (above the true objects)"
    difference = row.differences.get(name)
    if not difference:
        return text
    return f"{text} ({difference['mean']:+.3g}{'*' if beyond_chance(difference) else ''})"


def _escaped(text: str) -> str:
    """Text for LaTeX, in which what is between dollars stays."""
    parts = text.split("$")
    plain: Sequence[str] = [
        part if i % 2 else part.replace("\\", r"\textbackslash ").translate(_SPECIAL) for i, part in enumerate(parts)
    ]
    return "$".join(plain)


_SPECIAL = str.maketrans({letter: f"\\{letter}" for letter in "&%#_{}"} | {"~": r"\textasciitilde ", "^": r"\^{}"})
