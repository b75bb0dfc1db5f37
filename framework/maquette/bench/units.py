"""The units of a suite: one for each method, case and seed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from maquette.bench.records import RECORD_FILE, hash_of
from maquette.bench.suites import Suite
from maquette.config.loading import load_method
from maquette.errors import ConfigError, did_you_mean
from maquette.metrics.base import Case
from maquette.plugins.local import LocalParts, parts_words
from maquette.runs.jobs import Job, job_facts
from maquette.training.fingerprint import Fingerprint
from maquette.training.run_folder import slug

OF_CASE = ("prompt", "image", "data", "seed")  # keys of a method that a case and a seed give


@dataclass(frozen=True, eq=False)
class Unit(Job):
    """One method with one case and one seed."""

    suite: str  # name and version
    column: str  # name of the method in the suite
    case: Case
    seed: int

    @property
    def label(self) -> str:
        """The unit in words, e.g. "dreamfusion, a red mug, seed 1"."""
        return f"{self.column}, {self.case.title}, seed {self.seed}"

    @property
    def config_hash(self) -> str:
        """16 hexadecimal digits of the fingerprint without case and seed."""
        return config_hash(shared_fingerprint(self.fingerprint, self.case))

    @property
    def place(self) -> Path:
        """Its folder among the results."""
        return unit_place(self.suite, self.column, self.config_hash, self.case, self.seed)

    def recorded(self, results: Path) -> Path | None:
        """Its record; None: there is none."""
        path = results / self.place / RECORD_FILE
        return path if path.is_file() else None


def unit_place(suite: str, column: str, config: str, case: Case, seed: int) -> Path:
    """The folder of a record, relative to that of all results."""
    return Path(suite) / slug(column) / config / slug(case.title) / str(seed)


def suite_units(
    suite: Suite,
    root: Path,
    overrides: Sequence[str] = (),
    methods: Sequence[str] = (),
    limit: int | None = None,
    parts: Sequence[Path] = (),
) -> list[Unit]:
    """All units of a suite, case by case, so that the methods of a case run one after the other.

    Args:
        suite: whose units they are.
        root: folder of the runs.
        overrides: further key=value words for every run.
        methods: names of columns; none: all.
        limit: number of cases, the first ones; None: all.
        parts: files and folders of local parts, for every run; those that a method names are imported as well.

    Raises:
        ConfigError: a method, an override or a prompt is invalid, or the suite has no such method.
        PluginError: a local file fails.
    """
    columns = suite.columns
    for name in methods:
        if name not in columns:
            raise ConfigError(
                f"the suite {suite.name!r} has no method {name!r}", key="methods",
                hint=f"{did_you_mean(name, columns)}its methods: {', '.join(columns)}",
            )  # fmt: skip
    return [
        suite_unit(suite, name, case, seed, root, overrides, LocalParts(True, parts))
        for case in suite.cases[:limit]
        for seed in dict.fromkeys(seed for name in columns for seed in suite.seeds_of(name))
        for name in columns
        if seed in suite.seeds_of(name) and (not methods or name in methods)
    ]


def shared_fingerprint(fingerprint: Fingerprint, case: Case) -> dict[str, Any]:
    """What the results of all cases and seeds depend on: a fingerprint in which those of one are left out.

    The case's inputs stand for themselves wherever they occur: a stage may have the picture's path among its settings.
    """
    names = {case.prompt: "(prompt)"} if case.prompt else {}
    for key, path in (("(image)", case.image), ("(data)", case.data)):
        if path:
            names |= {path: key, f"content {fingerprint.inputs.get(path, '')}": key}
    config = {key: value for key, value in fingerprint.config.items() if key not in OF_CASE}
    inputs = {
        Path(name).name if os.path.isabs(name) else name: value
        for name, value in fingerprint.inputs.items()
        if name not in (case.image, case.data)
    }
    return {"config": _named(config, names), "distributions": dict(fingerprint.distributions), "inputs": inputs}


def config_hash(shared: Mapping[str, Any]) -> str:
    """The hash of a shared fingerprint, of which inputs count by their content and not by their names."""
    return hash_of({**shared, "inputs": sorted(shared["inputs"].values())})


def _named(data: Any, names: Mapping[str, str]) -> Any:
    if isinstance(data, Mapping):
        return {key: _named(value, names) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_named(value, names) for value in data]
    return names.get(data, data) if isinstance(data, str) else data


def suite_unit(
    suite: Suite, name: str, case: Case, seed: int, root: Path, overrides: Sequence[str], local: LocalParts
) -> Unit:  # fmt: skip
    """The unit of one method, case and seed; see `suite_units`.

    Raises:
        ConfigError: as there; or the method names local files, and none are to be imported.
    """
    column = suite.columns[name]
    words = (*case.words, f"seed={seed}", *suite.overrides, *column.overrides, *overrides)

    def unit_of(words: tuple[str, ...], smaller: Unit | None) -> Unit:
        resolved = load_method(column.method, words, local=local)
        if resolved.local_files and not local.imported:
            raise local_files_needed(f"the method {name!r}", [file.path.name for file in resolved.local_files])
        facts = job_facts(resolved)
        folder = slug(f"{name} {case.title} seed{seed}")
        return Unit(
            folder,
            (column.method, *words, *parts_words(local.extra)),
            *facts,
            root,
            suite.title,
            name,
            case,
            seed,
            smaller=smaller,
        )

    return unit_of(words, unit_of((*words, *column.smaller), None) if column.smaller else None)


def local_files_needed(owner: str, names: Sequence[str]) -> ConfigError:
    """What is said where the parts of local files are needed, and were not given."""
    return ConfigError(
        f"{owner} has parts in local files, which are not imported unasked", key="plugins",
        hint=f"read them, and give them: {' '.join(f'--parts {name}' for name in names)}",
    )  # fmt: skip
