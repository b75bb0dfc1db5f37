from command_line import CliRunner
from maquette.cli.app import app


def test_view_and_its_options_say_what_they_do():
    help_of_view = CliRunner().invoke(app, ["view", "--help"], env={"COLUMNS": "200"}).output
    assert "Ctrl-C ends it" in help_of_view and "127.0.0.1" in help_of_view and "next free one" in help_of_view
    help_of_run = CliRunner().invoke(app, ["run", "--help"], env={"COLUMNS": "200"}).output
    assert "--view" in help_of_run and "--port" in help_of_run


def test_view_of_a_folder_that_is_no_run_is_one_line(tmp_path):
    result = CliRunner().invoke(app, ["view", str(tmp_path)])
    assert result.exit_code == 2
    assert "not a run folder" in result.output
