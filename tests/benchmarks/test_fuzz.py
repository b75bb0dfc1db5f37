"""The fuzzer names what a reader does wrong, finds nothing wrong with ours, and repeats for a seed."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path

import fuzz_readers
import numpy as np
import pytest
from fuzz import models, scenes, shapes
from fuzz.case import Case, shrink
from fuzz.judging import READERS
from fuzz.mutations import mutate_bytes, mutate_lines, mutate_tree
from fuzz.sandbox import Sandbox, Verdict

from maquette.errors import ConfigError
from maquette.loaded import Loaded

TRIANGLE = Case("obj", {"a.obj": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"}, "a.obj")


def reads_outside(path: str) -> Loaded:
    (Path(path).parent.parent / "outside" / "secret.bin").read_bytes()
    raise ConfigError("refused, but too late")


def writes(path: str) -> Loaded:
    (Path(path).parent / "new").write_text("")
    raise ConfigError("refused")


def runs(path: str) -> Loaded:
    subprocess.run(["true"], check=True)
    raise ConfigError("refused")


def waits(path: str) -> Loaded:
    time.sleep(100)
    raise ConfigError("refused")


def loops(path: str) -> Loaded:
    while True:
        pass


def grows(path: str) -> Loaded:
    raise ConfigError(f"refused, after {len(np.ones(5 << 28, np.uint8))} bytes")


def ends(path: str) -> Loaded:
    os._exit(3)


def fails(path: str) -> Loaded:
    raise KeyError("accessors")


def gives_nan(path: str) -> Loaded:
    return Loaded(None, "mesh of sorts", "obj", facts={"mean_color": float("nan")})


def speaks_in_lines(path: str) -> Loaded:
    raise type("Lines", (ConfigError,), {"__str__": lambda self: "two\nlines"})("")


@pytest.mark.parametrize(
    ("reader", "verdict"),
    [
        (reads_outside, "escape"), (writes, "escape"), (runs, "executed"), (waits, "hang"), (loops, "hang"),
        (grows, "memory"), (ends, "crash"), (fails, "traceback"), (gives_nan, "wrong"), (speaks_in_lines, "lines"),
    ],
)  # fmt: skip
def test_what_a_reader_does_wrong_is_named(reader, verdict, tmp_path, monkeypatch):
    monkeypatch.setattr("maquette.inspection.inspect_path", reader)
    sandbox = Sandbox(tmp_path, b"secret", seconds=1 if reader is loops else 30, patience=2 if reader is waits else 60)
    assert sandbox.judge(TRIANGLE).name == verdict
    sandbox.close()


def test_a_right_file_is_ok_and_what_it_does_not_hold_is_wrong(tmp_path):
    sandbox = Sandbox(tmp_path)
    assert sandbox.judge(TRIANGLE) == Verdict("ok")
    assert sandbox.judge(Case("obj", TRIANGLE.files, "a.obj", expected={"faces": 2})).name == "wrong"
    assert sandbox.judge(Case("obj", {"a.obj": b"f 1 2 3\n"}, "a.obj")).name == "refused"
    sandbox.close()


def test_an_input_repeats_for_its_seed_and_number():
    cases = [fuzz_readers.make_case(3, number) for number in range(20)]
    again = [fuzz_readers.make_case(3, number) for number in range(20)]
    assert [case.files for case in cases] == [case.files for case in again]
    assert [case.words for case in cases] == [case.words for case in again]
    assert len({case.loader for case in cases}) > 5


@pytest.mark.parametrize("maker", fuzz_readers.MAKERS)
def test_right_inputs_are_read_rightly(maker, tmp_path):
    sandbox = Sandbox(tmp_path)
    cases = [maker(random.Random(number)) for number in range(12)]
    verdicts = [sandbox.judge(case) for case in cases]
    sandbox.close()
    assert not [verdict for verdict in verdicts if verdict.bad]
    if maker not in (models.make_pickle, models.make_words, models.make_method, models.make_prompt):
        expected = ["refused" if "refused" in case.expected else "ok" for case in cases]
        assert [verdict.name for verdict in verdicts] == expected


def test_damage_changes_every_kind_of_content():
    rng = random.Random(1)
    assert len({mutate_bytes(b"abcdefgh" * 8, rng) for _ in range(50)}) > 30
    assert len({mutate_lines(b"v 0 0 0\nf 1 2 3", rng) for _ in range(50)}) > 30
    assert len({str(mutate_tree({"a": [1, {"b": "c"}]}, rng)) for _ in range(50)}) > 20


def test_a_failing_input_is_made_smaller():
    case = Case("obj", {"a.obj": b"x\n" * 40 + b"bad\n" + b"y\n" * 40, "b.png": b"1"}, "a.obj")
    smaller = shrink(case, lambda one: b"bad" in one.files["a.obj"], seconds=10)
    assert set(smaller.files) == {"a.obj"} and len(smaller.files["a.obj"]) < 12


def test_the_table_has_a_row_for_each_loader_and_one_for_all():
    rows = fuzz_readers.table({"obj": Counter(ok=2, wrong=1), "glb": Counter(ok=1)}).splitlines()
    assert [row.split()[0] for row in rows] == ["ok", "glb", "obj", "all"]
    assert rows[-1].split()[:2] == ["all", "3"] and "wrong" in rows[0]


def test_makers_write_every_format():
    makers = (shapes.make_mesh, scenes.make_scene, scenes.make_picture)
    loaders = {maker(random.Random(number)).loader for maker in makers for number in range(90)}
    scene_formats = {"colmap-text", "colmap-binary", "transforms", "cameras", "captioned"}
    assert loaders - {"heic"} == {*shapes.WRITERS, *scene_formats, "picture", "panorama", "allow"}


def test_every_reader_has_a_maker():
    cases = [fuzz_readers.make_case(3, number) for number in range(400)]
    assert {case.reader for case in cases} == set(READERS)
