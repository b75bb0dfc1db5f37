"""`maquette inspect` prints an account for people, or as JSON."""

import json

import trimesh
from typer.testing import CliRunner

from maquette.cli.app import app
from maquette.cli.inspect import print_account
from maquette.inspection import inspect_path

ACCOUNT = {"kind": "mesh", "watertight": True, "bounds": [[0.0, 0.123456], [1.0, 2.0]], "ignored": [], "size": None}


def test_words_for_people(tmp_path):
    trimesh.creation.box((1, 2, 3)).export(tmp_path / "box.ply")
    done = CliRunner().invoke(app, ["inspect", str(tmp_path / "box.ply")])
    assert "watertight  yes" in done.stdout and "faces       12" in done.stdout
    assert inspect_path(str(tmp_path / "box.ply")).value.faces.shape == (12, 3)


def test_an_account_is_a_table_of_words_and_short_numbers(capsys):
    print_account(ACCOUNT | {"color_models": {"PINHOLE": 3}}, as_json=False)
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["kind", "mesh"] in [[word.strip() for word in row] for row in rows]
    text = " ".join(word for row in rows for words in row for word in words.split())
    assert "0 0.1235 1 2" in text and "ignored -" in text and "size -" in text and "color models PINHOLE 3" in text


def test_an_account_as_json_reads_back(capsys):
    print_account(ACCOUNT, as_json=True)
    assert json.loads(capsys.readouterr().out) == ACCOUNT
