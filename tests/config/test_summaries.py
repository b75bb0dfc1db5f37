"""The summary of a method or suite, for lists."""

from maquette.config.summaries import summary_of


def test_a_summary_is_read(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text("summary: what it does\n")
    assert summary_of(path) == "what it does"
    path.write_text("name: m\n")
    assert summary_of(path) == ""


def test_a_file_that_cannot_be_read_is_named_and_ends_nothing(tmp_path, caplog):
    path = tmp_path / "m.yaml"
    path.write_text("a: [")
    assert summary_of(path) == "cannot be read"
    assert f"{path}:1" in caplog.text
