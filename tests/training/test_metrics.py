"""metrics.jsonl survives a kill in mid-line, and a W&B run can stand beside it, without a network."""

import json

from maquette.config.schema import LoggerConfig
from maquette.training.metrics_log import MetricsLog


def test_resumption_drops_what_will_be_written_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [{"stage": "a", "step": 1}, {"stage": "b", "step": 9}, {"stage": "a", "step": 2}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"stage": "a", "st')
    log = MetricsLog(path, "a", 2, LoggerConfig(), "run")
    log.write(2, {"loss": 0.123456789})
    log.close()
    kept = [json.loads(line) for line in path.read_text().splitlines()]
    assert kept == [rows[0], rows[1], {"stage": "a", "step": 2, "loss": 0.123457}]


def test_an_offline_wandb_run_holds_the_metrics_and_the_config(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "config.yaml").write_text("seed: 3\n")
    log = MetricsLog(tmp_path / "metrics.jsonl", "nerf", 0, LoggerConfig(type="wandb", mode="offline"), "mug-1")
    log.write(5, {"loss": 0.25})
    run = log._wandb
    assert run.config["seed"] == 3 and run.name == "mug-1"
    assert run.summary["nerf/loss"] == 0.25 and run.summary["nerf/step"] == 5
    log.close()
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb")), "nothing to sync later"
