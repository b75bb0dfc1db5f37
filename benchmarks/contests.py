"""Contests: the same work done in several ways in one run, as a table to read and as JSON to keep."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from table import markdown
from timing import Work, alternate, peak_growth_mib

from maquette.files import write_atomically
from maquette.training.manifest import machine, revision, versions

PEERS = ("gsplat",)  # packages whose versions belong to the record beside ours


@dataclass(frozen=True)
class Contest:
    """One piece of work and the ways to do it.

    Args:
        name: what `--only` takes.
        work: what is done, in words; {placeholders} are filled in from the sizes.
        prepare: a way and the sizes as keywords -> the work, ready to be repeated.
        ways: the first is the one that users get; the others are measured against it.
        sizes: of the full run.
        small: of a run that only shows that it works.
        targets: way -> how many times as long as the first it should take at least.
    """

    name: str
    work: str
    prepare: Callable[..., Work]
    ways: tuple[str, ...]
    sizes: Mapping[str, int]
    small: Mapping[str, int]
    targets: Mapping[str, float] = field(default_factory=dict)


def main(contests: list[Contest], description: str | None) -> None:
    """The command line that every benchmark has: runs contests, prints their table, and writes it where asked to."""
    by_name = {contest.name: contest for contest in contests}
    options = _arguments(list(by_name), description)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.memory_of:
        print(json.dumps(_memory(by_name[options.memory_of[0]], options.memory_of[1], options.small)))
        return
    record: dict[str, Any] = {
        "machine": machine(),
        "versions": {**versions(), **_peer_versions()},
        "revision": revision(),
        "sizes": "small" if options.small else "full",
        "contests": {},
    }
    for name in [name for name in by_name if name in (options.only or by_name)]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        record["contests"][name] = _result(by_name[name], options)
    print(markdown(record))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(options.json, json.dumps(record, indent=1) + "\n")


def _arguments(names: list[str], description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"some of: {', '.join(names)}")
    parser.add_argument("--json", type=Path, help="file for the results; none is written without it")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to see that everything runs")
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds, at most [7]")
    parser.add_argument("--seconds", type=float, default=10, help="per contest, after three rounds [10]")
    parser.add_argument("--threads", type=int, help="of torch and numba [all]; 1 is the fairest on a busy machine")
    parser.add_argument("--memory-of", nargs=2, metavar=("NAME", "WAY"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _result(contest: Contest, options: argparse.Namespace) -> dict[str, Any]:
    sizes = contest.small if options.small else contest.sizes
    peaks = [_memory_in_a_fresh_process(contest.name, way, options) for way in contest.ways]
    works = [contest.prepare(way, **sizes) for way in contest.ways]
    times = alternate(works, options.rounds, options.seconds)
    medians = [statistics.median(rounds) for rounds in times]
    return {
        "work": contest.work.format(**sizes),
        "rounds": len(times[0]),
        "ways": {
            way: {
                "median_ms": round(median, 3),
                "range_ms": [round(min(rounds), 3), round(max(rounds), 3)],
                "peak_mib": peak,
                "times_as_long": round(median / medians[0], 2),
            }
            for way, median, rounds, peak in zip(contest.ways, medians, times, peaks, strict=True)
        },
        "targets": dict(contest.targets),
    }


def _memory(contest: Contest, way: str, small: bool) -> float | None:
    sizes = contest.small if small else contest.sizes
    growth = peak_growth_mib(lambda: contest.prepare(way, **contest.small)(), lambda: contest.prepare(way, **sizes))
    return None if growth is None else round(growth, 1)


def _memory_in_a_fresh_process(name: str, way: str, options: argparse.Namespace) -> float | None:
    """In this one, memory that another way of working has given back would hide some of it."""
    command = [sys.executable, sys.argv[0], "--memory-of", name, way]
    command += ["--small"] if options.small else []
    command += ["--threads", str(options.threads)] if options.threads else []
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def _peer_versions() -> dict[str, str]:
    peer_versions = {}
    for name in PEERS:
        try:
            peer_versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return peer_versions
