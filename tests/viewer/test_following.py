"""The viewer of a run folder."""

import shutil

import pytest

from maquette.config.loading import load_method
from maquette.errors import ConfigError
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


def test_a_folder_that_is_no_run_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="not a run folder"):
        view_run(tmp_path)
