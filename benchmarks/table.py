"""The table of docs/benchmarks.md out of the committed results: `python benchmarks/table.py` after `make bench`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "kernels.json"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin: written by benchmarks/table.py -->", "<!-- end -->"
TINY = "**Tiny sizes: they show that everything runs, and nothing else.**"


def markdown(record: dict[str, Any]) -> str:
    """What `contests.main` recorded, as a sentence on the machine and a table."""
    machine, versions = record["machine"], record["versions"]
    packages = ", ".join(f"{name} {versions[name]}" for name in ("torch", "numba", "gsplat") if name in versions)
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['threads']} threads, "
        f"{machine.get('instruction_set', 'unknown instructions')}; {machine['system']}; Python "
        f"{versions['python']}, {packages}; revision {(record['revision'] or 'unknown')[:12]}.",
        "",
        *([TINY, ""] if record["sizes"] == "small" else []),
        "| work | way | median, ms | from, to | peak, MiB | times as long | wanted |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for contest in record["contests"].values():
        title = f"{contest['work']} ({contest['rounds']} rounds)"
        for way, facts in contest["ways"].items():
            lines.append(_row(title, way, facts, contest["targets"].get(way)))
            title = ""
    return "\n".join(lines)


def with_table(page: str, record: dict[str, Any]) -> str:
    """The page with the table of these results between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown(record)}\n{END}{after}"


def _row(title: str, way: str, facts: dict[str, Any], target: float | None) -> str:
    low, high = facts["range_ms"]
    peak = "" if facts["peak_mib"] is None else f"{facts['peak_mib']:.0f}"
    missed = target is not None and facts["times_as_long"] < target
    target_text = "" if target is None else f"{target:g} or more{': missed' if missed else ''}"
    return (
        f"| {title} | {way} | {_short(facts['median_ms'])} | {_short(low)}, {_short(high)} | {peak} | "
        f"{_short(facts['times_as_long'])} | {target_text} |"
    )


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"


def main() -> None:
    record = json.loads(RESULTS.read_text(encoding="utf-8"))
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), record), encoding="utf-8")


if __name__ == "__main__":
    main()
