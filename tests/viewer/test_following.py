"""The viewer of a run folder."""

import shutil

import numpy as np
import pytest

from maquette.config.loading import load_method
from maquette.errors import ConfigError
from maquette.export.splats import write_splat_ply
from maquette.geometry.splat_cloud import SplatCloud
from maquette.pipeline import run_method
from maquette.training.run_folder import RunFolder
from maquette.viewer.following import Follower, view_run
from tiny_run import ONE_STAGE
from viewer_client import ViewerClient, wait_until

pytest.importorskip("viser")


def test_following_shows_the_newest_checkpoint_and_then_the_next(tmp_path):
    (tmp_path / "tiny.yaml").write_text(ONE_STAGE)
    run = run_method(
        load_method(
            str(tmp_path / "tiny.yaml"),
            [
                f"output={tmp_path / 'out'}",
                "stages.first.steps=4",
                "stages.first.loop.checkpoint_every=2",
            ],
        )
    )
    (run / "state.json").unlink()  # as if it were still going on
    newest = run / "checkpoints" / "first" / "step-00000004"
    shutil.move(newest, tmp_path / "later")
    before = sorted(run.rglob("*"))
    follower = Follower(RunFolder.read(run), port=18400)
    client = ViewerClient(follower.port)
    try:
        wait_until(lambda: client.pictures, follower.look)
        assert follower.version == ("first", 2)
        assert sorted(run.rglob("*")) == before  # nothing is written
        client.set("Screenshot", True)
        wait_until(lambda: "FileTransfer" in client.texts(), follower.look)
        shutil.move(tmp_path / "later", newest)
        wait_until(lambda: follower.version == ("first", 4), follower.look)
        wait_until(lambda: "checkpoint of step 4" in client.texts(), follower.look)
    finally:
        client.close()
        follower.close()


def test_finished_splats_are_drawn_by_the_browser_alone(tmp_path):
    (tmp_path / "tiny.yaml").write_text(ONE_STAGE)
    run = run_method(load_method(str(tmp_path / "tiny.yaml"), [f"output={tmp_path / 'out'}"]))
    ones = np.ones(3, np.float32)
    quaternions, colors = np.tile([1.0, 0, 0, 0], (3, 1)), np.zeros((3, 1, 3))
    write_splat_ply(
        run / "export" / "splats.ply", SplatCloud(np.eye(3), quaternions, np.full((3, 3), 0.1), ones, colors)
    )
    follower = Follower(RunFolder.read(run), port=18420)
    client = ViewerClient(follower.port)
    try:
        wait_until(lambda: "GaussianSplat" in client.texts(), follower.look)
        for _ in range(5):
            client.move(1.0)
            follower.look()
        assert client.pictures == [] and "**finished**: splats" in client.texts()
    finally:
        client.close()
        follower.close()


def test_a_folder_that_is_no_run_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="not a run folder"):
        view_run(tmp_path)
