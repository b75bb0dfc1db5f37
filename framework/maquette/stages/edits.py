"""Resuming a run whose configuration was edited: what may change, and what a change means for its stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from maquette.config.parts import PartSpec, plain
from maquette.config.schema import WITHOUT_EFFECT, MethodConfig
from maquette.errors import ConfigError
from maquette.training.run_folder import RunFolder

FREE = (*WITHOUT_EFFECT, "name", "variables", "plugins")  # plugins: held by their hashes
"""Top-level keys that no result depends on, or only through the stages' own values."""
_ABSENT = object()


@dataclass(frozen=True)
class Edits:
    """The difference between a run's configuration and the one that it ran with.

    Attributes:
        changed: one line for each changed key.
        finished: the stages that stay finished.
        anew: stages that have begun and begin anew, since a stage before them goes on.
    """

    changed: tuple[str, ...]
    finished: tuple[str, ...]
    anew: tuple[str, ...]


def compare_configs(
    method: MethodConfig, before: Mapping[str, Any], now: Mapping[str, Any], run: RunFolder, finished: list[str]
) -> Edits:
    """Compare a run's configuration with the one that it ran with.

    Stages that did not begin may change freely; of the others, what their class declares as `changeable`.

    Args:
        method: the typed configuration.
        before: the plain configuration that the run was begun or last resumed with.
        now: the present one.
        run: its folder.
        finished: names of the finished stages.

    Raises:
        ConfigError: a change that would not fit the results so far; names its key.
    """
    begun = [name for name in before["stages"] if name in finished or run.store(name).all()]
    if begun != [name for name in now["stages"] if name in begun]:
        raise _refusal("stages", "stages that have begun cannot be removed or change places", f"[{', '.join(begun)}]")
    changed, again, longer = [], set[str](), set[str]()
    for key, old, new in _differences(before, now):
        first, _, rest = key.partition(".")
        stage, _, inner = rest.partition(".")
        if first in FREE or (
            old is _ABSENT and _is_default(method, key, new)
        ):  # of an option that is newer than the run
            continue
        if first != "stages":
            raise _refusal(key, f"{_show(new)} does not fit the results of this run", _show(old))
        if stage in begun:
            _check_change(method, stage, inner, key, old, new, run)
            if inner == "steps" or (inner.startswith("loop.stop") and _ended_early(method, stage, run)):
                longer.add(stage)
            elif not inner.startswith("loop."):
                again.add(stage)
        changed.append(f"{key}: {_show(old)} -> {_show(new)}")
    order = list(now["stages"])
    after = order[min((order.index(name) for name in longer), default=len(order)) + 1 :]
    stay = [name for name in finished if name not in again | longer and name not in after]
    return Edits(tuple(changed), tuple(stay), tuple(name for name in after if name in begun))


def _ended_early(method: MethodConfig, stage: str, run: RunFolder) -> bool:
    return 0 < run.checkpointed_steps(stage) < int(getattr(method.stages[stage].config, "steps", 0))


def _check_change(method: MethodConfig, stage: str, inner: str, key: str, old: Any, new: Any, run: RunFolder) -> None:
    changeable = method.stages[stage].cls.changeable
    checkpoints = run.store(stage).all()
    if not any(fnmatchcase(inner, pattern) for pattern in changeable):
        where = f"the checkpoints in {run.checkpoints / stage}" if checkpoints else "what this stage has written"
        raise _refusal(key, f"{_show(new)} does not fit {where}", _show(old))
    done = checkpoints[-1].step if checkpoints else 0
    if inner == "steps" and isinstance(new, int) and new < done:
        raise _refusal(key, f"{new} is less than the {done} steps that are done", _show(old))


def _differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Dotted key, old and new value of everything that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in [*before, *(name for name in now if name not in before)]:
            yield from _differences(before.get(name, _ABSENT), now.get(name, _ABSENT), f"{key}.{name}".lstrip("."))
    elif before != now:
        yield key, before, now


def _is_default(config: Any, key: str, value: Any) -> bool:
    """Whether a plain value is the default of the option at a dotted key of typed config data."""
    *outer, name = key.split(".")
    for step in outer:
        config = config.config if isinstance(config, PartSpec) else config
        config = config.get(step) if isinstance(config, Mapping) else getattr(config, step, None)
    config = config.config if isinstance(config, PartSpec) else config
    options = dataclasses.fields(config) if dataclasses.is_dataclass(config) else ()
    option = next((each for each in options if each.name == name), None)
    if option is None:
        return False
    default = option.default if option.default_factory is dataclasses.MISSING else option.default_factory()
    return bool(plain(default) == value)


def _show(value: Any) -> str:
    return "nothing" if value is _ABSENT else str(value)


def _refusal(key: str, message: str, before: str) -> ConfigError:
    return ConfigError(message, key=key, hint=f"put back {before}, or start a new run")
