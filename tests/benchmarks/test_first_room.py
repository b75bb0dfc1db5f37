"""The benchmarks of reconstruction, of text and of pictures: what they ask for, and how they count."""

from __future__ import annotations

import types

import image_to_3d
import instant
import numpy as np
import one2345
import pytest
import reconstruct
import torch
import trimesh
from exported import draw_exported, exported_mesh, normal_pictures
from nano_truth import held_out_objects

from maquette.bench.suites import load_suite
from maquette.bench.units import suite_units
from maquette.cameras.base import orbit_cameras
from maquette.config import load_method
from maquette.data.formats import load_posed_images
from maquette.export.writers import write_glb
from maquette.meshes.mesh import Mesh
from maquette_nano import world
from project import ROOT

RESULTS = ROOT / "benchmarks" / "results"


@pytest.fixture(scope="module")
def run_with_a_box(tmp_path_factory):
    """The folder of a run that exported a red box, 0.6 long to the front, and higher than the origin."""
    body = trimesh.creation.box((0.6, 0.4, 0.2))
    body.apply_translation((0, 0, 0.3))
    run = tmp_path_factory.mktemp("run")
    (run / "export").mkdir()
    write_glb(run / "export" / "mesh.glb", Mesh(body.vertices, body.faces, np.tile([0.8, 0.1, 0.1], (8, 1))))
    return run


def test_an_exported_mesh_is_read_where_it_was(run_with_a_box):
    bounds = exported_mesh(run_with_a_box).bounds
    assert bounds == pytest.approx(np.array([[-0.3, -0.2, 0.2], [0.3, 0.2, 0.4]]), abs=1e-5)


def test_an_exported_mesh_is_drawn_where_it_is_with_its_colours_and_normals(run_with_a_box):
    one = torch.ones(1)
    views = draw_exported(run_with_a_box, orbit_cameras(0 * one, 0 * one, 3.2 * one, 35 * one, 64))
    covered = views.picture.alpha[0, ..., 0] > 0.99
    rows, columns = torch.nonzero(covered, as_tuple=True)
    # the front face is 0.4 wide and 0.2 high at a distance of 2.9; 64 pixels there span 2 * 2.9 * tan(17.5 degrees)
    pixels = 64 / (2 * 2.9 * np.tan(np.radians(17.5)))
    assert columns.max() - columns.min() + 1 == pytest.approx(0.4 * pixels, abs=2)
    assert rows.max() < 32 and rows.max() - rows.min() + 1 == pytest.approx(0.2 * pixels, abs=3)
    middle = rows.float().mean().long(), columns.float().mean().long()
    assert views.picture.color[0][middle].tolist() == pytest.approx([0.8, 0.1, 0.1], abs=0.02)
    assert normal_pictures(views)[0][middle] == pytest.approx([1, 0.5, 0.5], abs=0.06)


def test_objects_are_those_on_which_no_constant_was_chosen():
    first = {(obj.category, obj.table.tobytes()) for obj in held_out_objects(1)}
    later = [(obj.category, obj.table.tobytes()) for obj in held_out_objects(2, skip=1)]
    assert len(later) == 40 and not first & set(later)
    assert sorted(category for category, _ in later) == sorted(2 * [category for category, _ in first])


def test_given_views_are_those_of_the_rigs(tmp_path):
    task = reconstruct.Task("mug", world.sample_object(0, "test"), tmp_path)
    four, six = (load_posed_images(task.views(count)) for count in (4, 6))
    assert four.cameras.azimuth_deg.remainder(360).tolist() == pytest.approx([0, 90, 180, 270], abs=1e-3)
    assert six.cameras.elevation_deg.tolist() == pytest.approx([20, -10] * 3, abs=1e-3)
    assert six.cameras.azimuth_deg.remainder(360).tolist() == pytest.approx([30 + 60 * i for i in range(6)], abs=1e-3)
    assert 0 < four.picture.alpha.mean() < 0.5 and set(four.split) == {"train"}


def rows(**figures: float) -> dict[str, dict[str, float]]:
    """The same figures for eight objects."""
    good = {
        "chamfer": 0.01, "chamfer_20000": 0.012, "f_score_1": 0.8, "f_score_2": 0.95, "normal_consistency": 0.9,
        "silhouette_iou": 0.95, "roughness": 1.2, "watertight": 1.0, "components": 1.0, "cpu_seconds": 8.0,
        "seconds": 9.0,
    }  # fmt: skip
    return {f"object {i}": good | figures for i in range(8)}


def test_bars_of_reconstruction_hold_for_every_object_where_they_say_so():
    table = {"4 reconstructor": rows(), "4 normal-fusion": rows(chamfer=0.02), "6 reconstructor": rows()}
    assert len(reconstruct.verdicts(table)) == 10 and all(reconstruct.verdicts(table).values())
    table["4 reconstructor"]["object 3"]["roughness"] = 1.6
    table["4 reconstructor"]["object 4"]["components"] = 2.0
    missed = [name for name, reached in reconstruct.verdicts(table).items() if not reached]
    assert missed == ["roughness at most 1.5 in every object", "always watertight and one piece"]


def test_gains_are_positive_where_ours_is_better():
    gains = reconstruct.gains(rows(chamfer=0.01, f_score_2=0.9), rows(chamfer=0.02, f_score_2=0.8))
    assert gains["chamfer"]["mean"] == 0.01 and gains["f_score_2"]["mean"] == 0.1
    assert reconstruct.verdicts({"4 reconstructor": rows(), "4 normal-fusion": rows()})[
        "better than the classical start"
    ] is False  # fmt: skip


def test_an_arm_that_lost_objects_is_compared_on_those_that_it_has():
    fewer = {name: row for name, row in rows().items() if name != "object 0"}
    assert reconstruct.gains(fewer, rows())["chamfer"]["of"] == 7


def test_true_objects_have_the_captions_of_the_suite():
    for case in load_suite(instant.SUITE).cases:
        for obj in instant.true_objects(case.prompt):
            assert obj.caption() == case.prompt


def test_instant_is_run_with_one_candidate_unless_more_are_asked_for(tmp_path):
    one, four = instant.suite("instant", 3), instant.suite("instant", 3, 4)
    assert len(one.cases) == 3 and one.method == "instant"
    assert one.overrides == ["stages.views.candidates=1"]
    assert four.overrides == ["stages.views.candidates=4", "stages.views.choose.scorer=nano-clip"]
    assert len(suite_units(four, tmp_path)) == 3  # the method takes the words


def test_only_finished_meshes_of_instant_are_polished(tmp_path):
    waiting = suite_units(instant.suite("instant", 2), tmp_path)
    assert instant.polish_jobs(waiting, 20, tmp_path) == []


def test_bars_of_instant_are_beside_true_pictures():
    levels = [f"{scorer}, {level}" for scorer in instant.JUDGES for level in instant.LEVELS]
    true = {"a red mug": dict.fromkeys(levels, 0.95)}
    ours = {"a red mug": dict.fromkeys(levels, 0.925) | {"wall_seconds": 31.0}}
    assert [name for name, reached in instant.verdicts(ours, true).items() if not reached] == [
        "nano-judge, category: at most 2 points under true pictures",
        "nano-judge, category+colour: at most 2 points under true pictures",
        "30 seconds at most",
    ]


def test_committed_figures_are_marked():
    facts = instant.committed("dreamfusion", RESULTS)
    assert facts is not None and facts["committed"]["from"] == "nano-text.json"
    assert 0 < facts["nano-clip, category"]["mean"] <= 1 and facts["wall_seconds"]["mean"] > 30
    assert instant.committed("instant", RESULTS) is None


def test_pictures_to_3d_are_judged_by_paired_f_scores_and_seconds():
    zero123, ours = rows(seconds=90.0), rows(seconds=29.0, f_score_2=0.94)
    table = {"instant-image": ours, "one2345": zero123, "zero123": zero123}
    assert image_to_3d.verdicts(table) == {
        "instant-image: f_score_2 not significantly below zero123's": False,
        "instant-image: a third of zero123's seconds at most": True,
        "one2345: f_score_2 not significantly below zero123's": True,
        "one2345: a third of zero123's seconds at most": False,
    }
    assert image_to_3d.differences(ours, zero123)["f_score_2"]["mean"] == pytest.approx(-0.01)
    assert image_to_3d.verdicts({"zero123": zero123}) == {}


def test_arms_of_stage_one_start_from_random_weights_and_are_averaged_over_their_seeds():
    words = [f"stages.{one2345.ARM_STAGE}.{word}" for word in one2345.ARM_WORDS]
    config = load_method(one2345.ARM_STAGE, words, "training").method.stages["nano-one2345-shape"].config
    assert config.steps == 4800 and config.learner.config.reconstructor == "" and config.learner.config.local
    one = types.SimpleNamespace(name="00-mug", truth=lambda side: -torch.ones(side, side, side))
    makers = [lambda _, sign=sign: sign * torch.ones(32, 32, 32) for sign in (-1, 1)]
    assert one2345.volumes([one], makers)["00-mug"]["solid_32"] == 0.5
    good, worse = {"solid_32": 0.9, "shell_32": 0.8}, {"solid_32": 0.7, "shell_32": 0.8}
    compared = one2345.summary_of_arms({"both": {"a": good, "b": good}, "global": {"a": good, "b": worse}})
    assert compared["differences"]["both minus global"]["solid_32"]["mean"] == pytest.approx(0.1)
