"""The child process of `maquette plugin check`: checks parts one by one, and writes down what it does before it does.

python -m maquette.testing.worker TARGETS.json LINES.jsonl
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maquette.errors import one_line
from maquette.testing.report import Outcome
from maquette.testing.targets import Target


def main(arguments: list[str]) -> None:
    """Check the targets of a file; each line of the other file is what begins, or what came of it."""
    targets = [Target(**words) for words in json.loads(Path(arguments[0]).read_text(encoding="utf-8"))]
    with Path(arguments[1]).open("a", encoding="utf-8") as lines:

        def write(**line: Any) -> None:
            lines.write(json.dumps(line) + "\n")
            lines.flush()

        for index, target in enumerate(targets):
            write(part=index, begins="import")
            try:
                _check(target, index, write)
            except BaseException as problem:
                if isinstance(problem, KeyboardInterrupt):
                    raise
                write(part=index, **asdict(Outcome("import", "failed", one_line(problem))))
            write(part=index, done=True)


def _check(target: Target, index: int, write: Any) -> None:
    import torch

    from maquette.testing.kinds import procedure
    from maquette.testing.running import outcomes_of

    torch.set_num_threads(1)
    cls = target.load()
    write(part=index, minimum=procedure(target.kind).minimum)
    write(part=index, **asdict(Outcome("import", "passed")))
    for outcome in outcomes_of(target.kind, cls, on_begin=lambda name: write(part=index, begins=name)):
        write(part=index, **asdict(outcome))


if __name__ == "__main__":
    main(sys.argv[1:])
