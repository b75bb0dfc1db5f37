"""The leaderboard as a folder of pages that work from a file URL: no server, no network, no build step.

A page reads no file: what it shows stands in it, or in scripts beside it, since browsers let a page of a file URL load
scripts and pictures and nothing else. Meshes are such scripts, loaded when they are asked for.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

from maquette.bench.baselines import is_floor
from maquette.bench.board import Board, BoardRow, BoardUnit, read_board
from maquette.bench.measuring import VIEWS_FILE
from maquette.bench.published import PublishedTable, published_tables
from maquette.bench.records import FAILURE_FILE, RECORD_FILE, Record, find_records
from maquette.bench.site_meshes import site_mesh
from maquette.bench.subjects import MESH_FILE
from maquette.bench.verdicts import read_trust
from maquette.errors import ConfigError
from maquette.files import atomic_path, display_path, write_atomically
from maquette.report.embedding import base_style, embeddable, fill_template, packed
from maquette.report.page import format_duration
from maquette.report.viewer import packed_library
from maquette.training.run_folder import slug

PAGES = Path(__file__).parent / "pages"
SCRIPTS = ("board.js", "plot.js", "gallery.js")
STYLE, DATA, LIBRARY = "board.css", "data.js", "model-viewer.js"
PICTURE, MODEL = "views.webp", "mesh.js"  # of a unit
FACES = 4000  # of a mesh in a 3D view
COSTS = {"seconds": "s", "cpu_seconds": "s", "peak_memory_mb": "MB", "peak_gpu_memory_mb": "MB, card"}
QUALITY = 82  # of the pictures' WebP


@dataclass(frozen=True)
class Site:
    """What was written.

    Args:
        index: the first page.
        boards: one of each suite.
        results: number of units of methods.
    """

    index: Path
    boards: tuple[Board, ...]
    results: int


def build_site(
    results: Sequence[Path],
    out: Path,
    every: bool = False,
    meshes: bool = True,
    name: str = "Leaderboard",
    faces: int = FACES,
) -> Site:
    """Write the pages of all suites in some folders of results.

    Args:
        results: folders that hold `<suite>@<version>/...`, or of one suite.
        out: folder to write. An earlier site there is replaced; its picture or mesh of a unit is kept if the record is
            the same and has none beside it, so that a site grows while large files stay where they are.
        every: also older configurations of a method.
        meshes: whether the 3D views are in the site, too.
        name: the site's title.
        faces: about how many a mesh has in a 3D view at most, with colours at its vertices; 0: the meshes as they are.

    Raises:
        ConfigError: a folder has no records, two have one suite, or `out` holds something else.
    """
    folders = _suite_folders(results)
    boards = {title: read_board(folder, read_trust(folder), every) for title, folder in folders.items()}
    with _replacing(out) as fresh:
        _write_pages(boards, fresh, out, faces if meshes else None, name)
    units = sum(len(row.units) for board in boards.values() for row in board.methods)
    return Site(out / "index.html", tuple(boards.values()), units)


def _write_pages(boards: Mapping[str, Board], out: Path, earlier: Path, faces: int | None, name: str) -> None:
    """Write the site to an empty folder; `faces` None: without 3D views."""
    published = published_tables()
    write_atomically(out / STYLE, base_style() + (PAGES / STYLE).read_text(encoding="utf-8"))
    for script in SCRIPTS:
        shutil.copyfile(PAGES / script, out / script)
    pages = {title: slug_of(title) for title in boards}
    has_models = [
        _write_board(board, out / page, earlier / page, published, faces, name)
        for board, page in zip(boards.values(), pages.values(), strict=True)
    ]
    if any(has_models):
        write_atomically(out / LIBRARY, f"loaded(null, {json.dumps(packed_library())})\n")
    shared = {"site": name, "pages": pages}
    write_atomically(out / "index.html", fill_template(PAGES / "index.html.j2", boards=boards, **shared))
    write_atomically(out / "published.html", fill_template(PAGES / "published.html.j2", tables=published, **shared))


def slug_of(suite: str) -> str:
    """The folder of a suite's page: its name and version without `@`, which addresses may not have."""
    name, _, version = suite.rpartition("@")
    return f"{slug(name)}-{version}"


def _suite_folders(results: Sequence[Path]) -> dict[str, Path]:
    """Name and version of each suite -> its folder of records."""
    folders: dict[str, Path] = {}
    for place in results:
        candidates = [place] if "@" in place.resolve().name else sorted(place.glob("*@*"))
        chosen = [folder for folder in candidates if folder.is_dir() and find_records(folder)]
        if not chosen:
            raise ConfigError(
                f"there are no records in {display_path(place)}", hint="make some: maquette bench run SUITE"
            )
        for folder in chosen:
            title = folder.resolve().name
            if title in folders:
                raise ConfigError(f"{title} is in {display_path(folders[title])} and in {display_path(folder)}")
            folders[title] = folder
    return folders


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """An empty folder that takes the place of the site in `out`, if the block ends well."""
    out = out.resolve()
    is_occupied = any(out.iterdir()) if out.is_dir() else out.exists()
    if is_occupied and not (out / STYLE).is_file():
        raise ConfigError(
            f"{display_path(out)} holds something else than a leaderboard", key="out", hint="give a new folder"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        fresh = Path(folder) / out.name
        fresh.mkdir()
        yield fresh
        if out.is_dir():
            out.rename(Path(folder) / "earlier")
        fresh.rename(out)


def _write_board(
    board: Board, out: Path, earlier: Path, published: Sequence[PublishedTable], faces: int | None, site: str
) -> bool:
    """Write the page of a suite; returns whether it has meshes."""
    out.mkdir(parents=True, exist_ok=True)
    files = {id(unit): _write_unit(unit, out, earlier, faces) for row in board.rows for unit in row.units}
    data = board_data(board, files)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    write_atomically(out / "board.json", text)
    write_atomically(out / DATA, f"const board = {text};\n")
    write_atomically(
        out / "index.html",
        fill_template(
            PAGES / "suite.html.j2",
            board=board,
            site=site,
            groups=_by_protocol(board),
            costs=[cost for cost in COSTS if any(cost in row.costs for row in board.rows)],
            hardware=sorted({name for row in board.methods for name in row.hardware}),
            plugins=sorted({name for row in board.methods for name in row.plugins}),
            published=[table for table in published if table.concerns(board.better)],
            decimals=decimals(board),
            told_apart=[value for value in board.better if any(_rank(row, value) > 1 for row in board.methods)],
            duration=format_duration,
            bar=lambda row, value: _bar(board, row, value),
        ),
    )
    return any("m" in names for names in files.values())


def board_data(board: Board, files: Mapping[int, str]) -> dict[str, Any]:
    """The board as plain data, which the page's scripts read: values in the order of `values`.

    Args:
        board: whose data it is.
        files: id of a unit -> which files it has, "v" a picture and "m" a mesh.
    """
    values, digits = list(board.better), decimals(board)
    return {
        "suite": board.suite, "values": values, "better": [board.better[value] for value in values],
        "decimals": [digits[value] for value in values], "cases": list(board.cases),
        "rows": [
            {
                "name": row.name, "kind": row.kind, "config": row.config, "costs": dict(row.costs),
                "hardware": list(row.hardware), "plugins": list(row.plugins), "trust": row.trust,
                "scores": [_score(row, value) for value in values],
                "units": [
                    {
                        "case": unit.case, "seed": unit.seed, "state": unit.state, "files": files[id(unit)],
                        "place": "" if unit.record is None else unit_place(unit).as_posix(),
                        "error": "" if unit.record is None else unit.record.error,
                        "values": [
                            None if unit.record is None else unit.record.values.get(value) for value in values
                        ],
                        "marks": [] if unit.record is None else marks(unit.record),
                        "seconds": None if unit.record is None else unit.record.costs.get("seconds"),
                    }
                    for unit in row.units
                ],
            }
            for row in board.rows
        ],
    }  # fmt: skip


def marks(record: Record) -> list[str]:
    """What a reader of a record's figures has to know beside them."""
    remarks = {"smaller settings": record.shrunk, "uncommitted code": bool(record.manifest.get("dirty"))}
    return [remark for remark, applies in remarks.items() if applies]


def unit_place(unit: BoardUnit) -> Path:
    """The folder of a unit below that of its suite's page, as among the results."""
    assert unit.record is not None
    record = unit.record
    return Path(slug(record.method)) / record.config_hash / slug(record.case) / str(record.seed)


def decimals(board: Board) -> dict[str, int]:
    """Digits behind the point of each value, so that those of one column are comparable at a glance."""
    digits = {}
    for value in board.better:
        means = [score.mean for row in board.rows if (score := row.scores.get(value)) is not None]
        largest = max((abs(mean) for mean in means), default=0.0)
        whole = all(float(mean).is_integer() for mean in means)
        digits[value] = 0 if whole else min(4, max(0, 3 - math.floor(math.log10(largest)))) if largest else 3
    return digits


def _rank(row: BoardRow, value: str) -> int:
    """Rank of a row; 0 if it has none."""
    score = row.scores.get(value)
    return 0 if score is None else score.rank or 0


def _score(row: BoardRow, value: str) -> list[float | int | None] | None:
    score = row.scores.get(value)
    if score is None:
        return None
    return [*(round(number, 6) for number in (score.mean, score.low, score.high)), score.rank, score.filled]


def _by_protocol(board: Board) -> dict[str, list[str]]:
    """metric@version -> its values."""
    groups: dict[str, list[str]] = {}
    for value in board.better:
        groups.setdefault(value.partition("/")[0], []).append(value)
    return groups


def _bar(board: Board, row: BoardRow, value: str) -> tuple[float, float, float] | None:
    """Mean and interval as percentages of the way from the trivial row to the oracle's; None: there is no such way."""
    ends = [next((other.scores.get(value) for other in board.rows if other.kind == kind), None)
            for kind in ("trivial", "oracle")]  # fmt: skip
    score = row.scores.get(value)
    if score is None or ends[0] is None or ends[1] is None:
        return None
    trivial, oracle = ends[0].mean, ends[1].mean
    if not is_floor(trivial, oracle, board.better[value]):
        return None
    low, mean, high = sorted(
        min(100.0, max(0.0, 100 * (number - trivial) / (oracle - trivial)))
        for number in (score.low, score.mean, score.high)
    )
    return low, mean, high


def _write_unit(unit: BoardUnit, out: Path, earlier: Path, faces: int | None) -> str:
    """Write a unit's record, pictures and mesh below its suite's folder; returns "v" and "m" of what it has.

    What is not beside the record is taken from the earlier site, if the record there is the same.
    """
    if unit.folder is None or unit.record is None:
        return ""
    place = out / unit_place(unit)
    place.mkdir(parents=True, exist_ok=True)
    record = next(unit.folder / name for name in (RECORD_FILE, FAILURE_FILE) if (unit.folder / name).is_file())
    shutil.copyfile(record, place / record.name)
    before = earlier / unit_place(unit)
    is_same = (before / record.name).is_file() and (before / record.name).read_bytes() == record.read_bytes()
    files = ""
    if _write_picture(unit.folder, place) or (is_same and _copy(before / PICTURE, place)):
        files += "v"
    if faces is not None and (_write_model(unit, place, faces) or (is_same and _copy(before / MODEL, place))):
        files += "m"
    return files


def _copy(path: Path, place: Path) -> bool:
    """Copy a file into a folder; returns whether there is one."""
    if not path.is_file():
        return False
    shutil.copyfile(path, place / path.name)
    return True


def _write_picture(folder: Path, place: Path) -> bool:
    """Write the pictures beside a record for the page; returns whether there are any."""
    if not (folder / VIEWS_FILE).is_file():
        return False
    with atomic_path(place / PICTURE) as path, Image.open(folder / VIEWS_FILE) as picture:
        picture.convert("RGB").save(path, "WEBP", quality=QUALITY)
    return True


def _write_model(unit: BoardUnit, place: Path, faces: int) -> bool:
    """Write the mesh beside a record for its 3D view; returns whether there is one."""
    assert unit.folder is not None
    mesh = next((path for path in (unit.folder / MESH_FILE, unit.folder / "prediction.glb") if embeddable(path)), None)
    if mesh is None:
        return False
    content = packed(site_mesh(mesh, faces))
    write_atomically(place / MODEL, f"loaded({json.dumps(unit_place(unit).as_posix())}, {json.dumps(content)})\n")
    return True
