"""Figures that papers published: shown beside a board in grey, and never ranked with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from maquette.config.origins import load_yaml, locate
from maquette.config.parts import check

TABLES_FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class PublishedTable:
    """A table of a paper.

    Args:
        title: what was measured.
        source: paper, and number of the table.
        url: of the paper.
        data: on what it was measured.
        protocol: how it was measured, in words.
        columns: figures with the direction that is better, as in "PSNR ↑".
        rows: method -> its figures; None: not given.
        metrics: metrics of ours, without versions, that measure something of the kind.
        note: what is to be known before the figures are used.
    """

    title: str
    source: str
    url: str
    data: str
    protocol: str
    columns: list[str]
    rows: dict[str, list[float | None]]
    metrics: list[str] = field(default_factory=list)
    note: str = ""

    def __post_init__(self) -> None:
        for method, figures in self.rows.items():
            if len(figures) != len(self.columns):
                raise ValueError(f"{method} has {len(figures)} figures, and there are {len(self.columns)} columns")

    def concerns(self, values: Iterable[str]) -> bool:
        """Whether some values, as in "refview@2/psnr", are of its kind."""
        return any(value.partition("@")[0].rpartition(".")[2] in self.metrics for value in values)


@dataclass(frozen=True)
class _File:
    tables: list[PublishedTable]


def published_tables(path: Path = TABLES_FILE) -> list[PublishedTable]:
    """The tables of a file.

    Raises:
        ConfigError: a key is wrong, or a row has more or fewer figures than there are columns.
    """
    data, origins = load_yaml(path)
    tables: list[PublishedTable] = check(_File, data, "", lambda key: locate(origins, key)).tables
    return tables
