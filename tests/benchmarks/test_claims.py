"""The benchmarks of claims: what they ask for, and how they count."""

from __future__ import annotations

import json
import os

import janus
import measured_runs
import nano_mvdream
import nano_zero123
import pytest
import torch

from maquette_nano import world


def test_janus_asks_for_one_thing_of_each_category_with_a_front():
    cases = janus.cases()
    categories = [case["labels"]["category"] for case in cases]
    assert len(cases) == len(set(categories)) == janus.PROMPTS
    assert not {"mushroom", "lamp"} & set(categories)


def test_rates_have_the_interval_of_clopper_and_pearson():
    found = janus.rate([1.0, 0.0, 0.0, 0.0])
    assert found["rate"] == 0.25
    assert found["interval"] == [pytest.approx(0.006, abs=1e-3), pytest.approx(0.806, abs=1e-3)]


def test_ways_are_compared_prompt_by_prompt():
    assert janus.p_value([[1.0]] * 6, [[0.0]] * 6) == pytest.approx(2 * 0.5**6, abs=1e-4)
    assert janus.p_value([[1.0], [0.0]], [[1.0], [0.0]]) == 1.0


def test_seeds_of_one_prompt_are_no_evidence_of_their_own():
    once, often = janus.p_value([[1.0]] * 6, [[0.0]] * 6), janus.p_value([[1.0] * 3] * 6, [[0.0] * 3] * 6)
    assert once == often
    assert janus.p_value([[1.0, 0.0]] * 6, [[0.0, 0.0]] * 6) == once  # half as large, and as sure


def test_four_views_agree_where_all_retrieve_the_same():
    found = [["a red mug"] * 4, ["a red mug"] * 3 + ["a red dog"], ["a red mug", "a red dog"] * 2]
    assert nano_mvdream.agreement(found, ["a red mug", "a red mug", "a blue cat"]) == {
        "all four alike": pytest.approx(1 / 3, abs=1e-4),
        "three or more alike": pytest.approx(2 / 3, abs=1e-4),
        "as asked": pytest.approx(7 / 12, abs=1e-4),
    }


def test_prompts_of_the_agreement_are_pairs_that_no_training_saw():
    words = [caption.split() for caption in nano_mvdream.held_out()]
    assert len(words) == 60 and all(world.split_of(category, colour) != "train" for _, colour, category in words)


def test_novel_views_are_asked_for_in_each_quarter_of_the_circle():
    for index in range(4):
        cameras = nano_zero123.cameras(index)
        onward = (cameras.azimuth_deg[1:] - cameras.azimuth_deg[0]) % 360
        assert torch.equal((onward / 90).floor(), torch.arange(4.0))
        assert float(cameras.elevation_deg.min()) >= -10 and float(cameras.elevation_deg.max()) <= 60


def test_the_latest_finished_run_is_found_and_read(tmp_path):
    assert measured_runs.finished(tmp_path) is None
    for number, psnr in enumerate((20.0, 30.0)):
        place = tmp_path / "method" / "subject" / str(number)
        (place / "export").mkdir(parents=True)
        report = {"psnr": psnr, "ssim": 0.5, "silhouette_iou": 0.25, "views": {}}
        times = {
            "stage nerf": {"wall_seconds": 9.0, "cpu_seconds": 7.0},
            "render": {"wall_seconds": 1, "cpu_seconds": 1},
        }
        (place / "manifest.json").write_text(json.dumps({"times": times, "peak_memory_mb": 5.0}))
        (place / "export" / "evaluate.json").write_text(json.dumps(report))
        os.utime(place / "export" / "evaluate.json", (number, number))
    (tmp_path / "method" / "subject" / "unfinished").mkdir()
    found = measured_runs.finished(tmp_path)
    assert found == place
    assert measured_runs.measured(found) == {
        "psnr": 30.0, "ssim": 0.5, "silhouette_iou": 0.25, "seconds": 9.0, "cpu_seconds": 7.0, "peak_memory_mb": 5.0
    }  # fmt: skip
