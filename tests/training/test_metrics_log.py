"""metrics.jsonl survives a kill in mid-line, and is cut back once when a run resumes."""

import json

from maquette.training.metrics_log import MetricsLog, trim_metrics


def test_resumption_drops_what_will_be_written_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = [{"stage": "a", "step": 1}, {"stage": "b", "step": 9}, {"stage": "a", "step": 2}, {"stage": "c", "step": 0}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"stage": "a", "st')
    trim_metrics(path, {"a": 2, "b": 10})
    log = MetricsLog(path, "a")
    log.write(2, {"loss": 0.123456789})
    log.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines == [rows[0], rows[1], {"stage": "a", "step": 2, "loss": 0.123457}]


def test_nothing_is_trimmed_where_nothing_was_written(tmp_path):
    trim_metrics(tmp_path / "metrics.jsonl", {"a": 2})
    assert not list(tmp_path.iterdir())


def test_a_log_only_appends(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("what is there\n")
    log = MetricsLog(path, "a")
    log.write(0, {"loss": 1.0})
    log.close()
    assert path.read_text().startswith("what is there\n{")
