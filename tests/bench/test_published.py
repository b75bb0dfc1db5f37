"""Published figures: whole rows, and which of them stand beside a board."""

from __future__ import annotations

import pytest

from maquette.bench.published import published_tables
from maquette.errors import ConfigError


def test_each_table_has_a_source_and_an_address():
    tables = published_tables()
    assert len(tables) >= 5
    for table in tables:
        assert table.source and table.url.startswith("https://") and table.protocol and table.rows


def test_a_table_stands_beside_boards_that_measure_something_of_its_kind():
    table = next(table for table in published_tables() if "NeRF4" in table.title)
    assert table.concerns(["refview@2/psnr"]) and table.concerns(["side.refview@2/psnr"])
    assert not table.concerns(["mesh-health@1/watertight"])


def test_a_row_of_too_few_figures_is_refused(tmp_path):
    file = tmp_path / "tables.yaml"
    file.write_text(
        "tables: [{title: t, source: s, url: u, data: d, protocol: p, columns: [a, b], rows: {mine: [1.0]}}]\n"
    )
    with pytest.raises(ConfigError, match="mine has 1 figures, and there are 2 columns"):
        published_tables(file)
