"""The jobs of a sweep: every combination, with commas split where they separate values."""

from __future__ import annotations

from pathlib import Path

import pytest

from maquette.errors import ConfigError
from maquette.runs.sweeps import plan_sweep, split_commas
from tiny_run import tiny_method


@pytest.fixture
def method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tiny_method(tmp_path))


def test_every_combination_is_a_job_in_the_order_of_the_words(method):
    sweep = plan_sweep(method, ["seed=0,1", "stages.nerf.steps=2,3"], ["a mug", "a cat"], prompts_name="two")
    assert [tuple(job.values.values()) for job in sweep.jobs] == [
        (prompt, seed, steps) for prompt in ("a mug", "a cat") for seed in "01" for steps in "23"
    ]
    assert sweep.keys == ("prompt", "seed", "stages.nerf.steps") and sweep.jobs[1].label == "a mug, seed 0, steps 3"
    assert (sweep.name, sweep.root) == ("tiny-two-seed-steps", Path.cwd() / "outputs/sweeps/tiny-two-seed-steps")
    assert len({job.folder for job in sweep.jobs}) == 8
    assert sweep.jobs[0].folder.name == f"a-mug-seed-0-steps-2-{sweep.jobs[0].fingerprint.digest[:10]}"
    assert sweep.jobs[0].words == (method, "prompt=a mug", "seed=0", "stages.nerf.steps=2")


def test_commas_of_a_prompt_are_never_split(method):
    sweep = plan_sweep(method, ["prompt=a mug, red, on a table", "negative_prompt=dark,blurry", "seed=0,1"])
    assert [dict(job.values) for job in sweep.jobs] == [{"seed": "0"}, {"seed": "1"}]
    assert sweep.jobs[0].words[1:3] == ("prompt=a mug, red, on a table", "negative_prompt=dark,blurry")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("0,1,2", ["0", "1", "2"]),
        ("[0, 1],[2]", ["[0, 1]", "[2]"]),
        ("{a: 1, b: [2, 3]}", ["{a: 1, b: [2, 3]}"]),
        ("'a,b',\"c,d\"", ["'a,b'", '"c,d"']),
        ("nano", ["nano"]),
        ("a],b", ["a]", "b"]),
    ],
)
def test_commas_within_brackets_and_quotes_are_of_the_value(text, parts):
    assert split_commas(text) == parts


def test_without_sweep_commas_are_not_split(method):
    with pytest.raises(ConfigError, match="seed"):
        plan_sweep(method, ["prompt=a mug", "seed=0,1"], split=False)
    assert len(plan_sweep(method, ["seed=1"], ["a mug", "a cat"], split=False).jobs) == 2


def test_the_folder_is_that_of_the_output_and_the_name(method, tmp_path):
    sweep = plan_sweep(method, ["prompt=a mug", "seed=0,1", f"output={tmp_path / 'o'}"], name="My Sweep")
    assert sweep.root.parent == tmp_path / "o" / "sweeps" and sweep.name.startswith("my-sweep")
    assert not any(word.startswith("output=") for word in sweep.jobs[0].words)


@pytest.mark.parametrize(
    ("words", "prompts", "message"),
    [
        (["seed=0,,1", "prompt=x"], [], r"seed: a value between the commas of '0,,1' is empty; quote"),
        (["prompt=x"], ["a mug"], r"prompt: the prompt is given twice; leave out prompt=..., or --prompts"),
        (["seed=0,many", "prompt=x"], [], r"seed: .*many"),
        (["seed=0,1"], [], r"prompt: missing value"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(words, prompts, message, method):
    with pytest.raises(ConfigError, match=message):
        plan_sweep(method, words, prompts)
    assert not Path("outputs").exists()


def test_a_key_given_twice_is_refused(method):
    with pytest.raises(ConfigError, match="given twice"):
        plan_sweep(method, ["prompt=a mug", "seed=0,1", "seed=2"])


def test_local_parts_are_options_of_each_run_and_of_its_fingerprint(method, tmp_path):
    from maquette.testing.scaffold import part_source

    file = tmp_path / "mine.py"
    file.write_text(part_source("mine", "loss"))
    words = ["seed=0,1", "prompt=x", "stages.nerf.losses.mine={}"]
    sweep = plan_sweep(method, words, parts=[Path("mine.py")])
    assert all(job.words[-2:] == ("--parts", str(file)) for job in sweep.jobs)
    file.write_text(part_source("mine", "loss") + "\n# another\n")
    again = plan_sweep(method, words, parts=[file])
    assert again.jobs[0].fingerprint.digest != sweep.jobs[0].fingerprint.digest
