"""Parts are checked in a child process: what ends or stops it is named, and the other parts are checked."""

import json

import pytest

from maquette.testing.processes import check_apart
from maquette.testing.targets import Target, find_targets
from maquette.testing.worker import main

LOSS = '''
from dataclasses import dataclass
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register
{above}

@register("loss", "{name}")
class Part(Loss):
    """Brightness: the mean of 1 - rgb over all pixels."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    def __call__(self, rendering, geometry):
        {inside}
        return (1 - rendering.rgb).mean()
'''


def write(folder, name, above="", inside="pass"):
    (folder / f"{name}.py").write_text(LOSS.format(name=name, above=above, inside=inside))


@pytest.mark.slow
def test_exits_crashes_and_loops_are_named_with_part_and_check(tmp_path):
    write(tmp_path, "a-ends", inside="import os; os._exit(3)")
    write(tmp_path, "b-crashes", inside="import ctypes; ctypes.string_at(0)")
    write(tmp_path, "c-good")
    write(tmp_path, "d-leaves", above="raise SystemExit('no licence')")
    write(tmp_path, "e-loops", inside="len(rendering.rgb) == 4 and [None for _ in iter(int, 1)]")
    reports = {report.name: report for report in check_apart(find_targets(str(tmp_path)), timeout=40)}
    assert list(reports) == ["a-ends", "b-crashes", "c-good", "d-leaves", "e-loops"]
    assert reports["a-ends"].failures == {"works": "it ends the process with exit code 3"}
    assert reports["b-crashes"].failures["works"].startswith("it ends the process by SIGSEGV")
    assert reports["c-good"].passed
    assert "SystemExit: no licence" in reports["d-leaves"].failures["import"]
    assert reports["e-loops"].failures == {"batches": "it does not end within 40 s"}


def test_targets_of_a_file_are_found_without_importing_it(tmp_path):
    write(tmp_path, "mine", above="raise SystemExit")
    file = tmp_path / "mine.py"
    assert find_targets(str(file)) == [Target("loss", "mine", f"file {file}")]


def test_targets_of_an_unknown_name_say_what_is_installed():
    with pytest.raises(Exception, match=r"there is no plugin, folder or file called 'nanno'; did you mean 'nano'\?"):
        find_targets("nanno")


def test_the_worker_writes_what_begins_before_it_does_it(tmp_path):
    write(tmp_path, "mine", inside="raise KeyError('rgb')")
    (tmp_path / "targets.json").write_text(
        json.dumps([{"kind": "loss", "name": "mine", "place": f"file {tmp_path / 'mine.py'}"}])
    )
    main([str(tmp_path / "targets.json"), str(tmp_path / "lines.jsonl")])
    lines = [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]
    assert lines[0] == {"part": 0, "begins": "import"} and lines[-1] == {"part": 0, "done": True}
    at = lines.index({"part": 0, "begins": "works"})
    assert lines[at + 1] == {"part": 0, "check": "works", "status": "failed", "detail": "KeyError: 'rgb'"}
