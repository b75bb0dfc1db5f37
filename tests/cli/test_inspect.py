"""An account of a file is printed for people, or as JSON."""

import json

from maquette.cli.inspect import print_account

ACCOUNT = {"kind": "mesh", "watertight": True, "bounds": [[0.0, 0.123456], [1.0, 2.0]], "ignored": [], "size": None}


def test_an_account_is_a_table_of_words_and_short_numbers(capsys):
    print_account(ACCOUNT | {"color_models": {"PINHOLE": 3}}, as_json=False)
    rows = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["kind", "mesh"] in [[word.strip() for word in row] for row in rows]
    text = " ".join(word for row in rows for words in row for word in words.split())
    assert "0 0.1235 1 2" in text and "ignored -" in text and "size -" in text and "color models PINHOLE 3" in text


def test_an_account_as_json_reads_back(capsys):
    print_account(ACCOUNT, as_json=True)
    assert json.loads(capsys.readouterr().out) == ACCOUNT
