"""`maquette doctor` says what this machine has."""

from maquette import plugins
from maquette.cli.doctor import OPTIONAL, print_report
from maquette.kernels.backends import describe


def test_the_report_has_a_row_for_each_kernel_package_plugin_and_weight(capsys):
    assert print_report() == 0
    rows = {line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {"python", "torch", "maquette", "cores", *OPTIONAL} <= rows
    assert {row.kernel for row in describe()} <= rows and {*plugins.loaded(), *plugins.weights()} <= rows


def test_a_broken_plugin_is_named_with_the_reason_and_ends_with_code_1(capsys, monkeypatch):
    monkeypatch.setattr(plugins, "failures", lambda: {"my-package": "no module named x"})
    assert print_report() == 1
    assert "skipped: no module named x" in " ".join(capsys.readouterr().out.split())
