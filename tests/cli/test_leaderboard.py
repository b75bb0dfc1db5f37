"""The commands of the leaderboard: what they refuse."""

from __future__ import annotations

from typer.testing import CliRunner

from maquette.cli.app import app
from tiny_suite import write_suite


def test_leaderboard_score_asks_for_an_account_of_the_system(tmp_path):
    suite = write_suite(tmp_path)
    (tmp_path / "system").mkdir()
    refused = CliRunner().invoke(app, ["leaderboard", "score", str(tmp_path / "system"), "--suite", str(suite)])
    assert refused.exit_code == 2 and "there is no system.toml" in refused.output


def test_leaderboard_verify_refuses_what_is_no_submission(tmp_path):
    suite = write_suite(tmp_path)
    (tmp_path / "mine.zip").write_text("none")
    refused = CliRunner().invoke(app, ["leaderboard", "verify", str(tmp_path / "mine.zip"), "--suite", str(suite)])
    assert refused.exit_code == 2 and "this is no submission" in refused.output


def test_leaderboard_submit_without_records_is_refused(tmp_path):
    words = ["leaderboard", "submit", "-s", str(write_suite(tmp_path)), "--results", str(tmp_path / "none")]
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2 and "there are no records of pictures@1" in refused.output
