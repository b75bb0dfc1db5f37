"""A stage that a criterion ends early is finished, says why, and goes on under another criterion."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from command_line import run_folder
from maquette.training.run_folder import RunFolder
from tiny_run import tiny_method

SOON = "stages.nerf.loop.stop={time-limit: {minutes: 0.0000001}}"


def facts(run: Path) -> dict:
    return json.loads((run / "manifest.json").read_text())


def test_a_run_that_ended_early_says_so_and_goes_on_when_the_criterion_is_taken_out(tmp_path):
    points = "points: {count: 10, threshold: 0.001, resolution: 12}"
    snapshots = f"stages.nerf.loop.callbacks={{snapshot: {{every: 1, exporters: {{{points}}}}}}}"
    words = ["prompt=a mug", "stages.nerf.steps=3", f"output={tmp_path / 'out'}", SOON, snapshots]
    run = run_folder("run", str(tiny_method(tmp_path)), *words)
    ended = facts(run)["ended_early"]
    assert list(ended) == ["nerf"] and (ended["nerf"]["step"], ended["nerf"]["steps"]) == (1, 3)
    assert ended["nerf"]["reason"].startswith("time-limit: its steps have taken ")
    report = (run / "report.html").read_text()
    assert "nerf after 1 of 3 steps; time-limit: its steps have taken" in report
    assert facts(run)["finished_stages"] == ["nerf", "export"] and (run / "export" / "mesh.glb").is_file()
    assert [path.name for path in (run / "callbacks/nerf/snapshot").iterdir()] == ["step-00000001"]

    config = yaml.safe_load((run / "config.yaml").read_text())
    config["stages"]["nerf"]["loop"]["stop"] = {}
    (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    run_folder("resume", str(run))
    assert RunFolder.read(run).checkpointed_steps("nerf") == 3 and facts(run)["ended_early"] == {}
    assert len(list((run / "callbacks/nerf/snapshot").iterdir())) == 3
