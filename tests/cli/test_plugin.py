"""`maquette plugin new` writes a package, and `maquette plugin check` says by its exit code whether parts conform."""

import json

import pytest
from typer.testing import CliRunner

from maquette.cli.app import app

FADED = '''
from dataclasses import dataclass
from maquette.config.schedules import Schedule
from maquette.losses.base import Loss
from maquette.registry import register

@register("loss", "faded")
class Faded(Loss):
    """Brightness that no gradient reaches."""

    @dataclass(frozen=True)
    class Config:
        weight: Schedule = Schedule.constant(1.0)

    def __call__(self, rendering, geometry):
        return (1 - rendering.rgb.detach()).mean()
'''


def test_plugin_new_writes_a_package_and_says_what_is_next(tmp_path):
    words = ["plugin", "new", "acme-losses", "--kind", "loss", "--part", "glow", "--folder", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == (
        f"next: pip install -e {tmp_path}/acme-losses[test] && pytest {tmp_path}/acme-losses"
    )
    assert 'name = "glow"' in (tmp_path / "acme-losses/acme_losses/maquette-plugin.toml").read_text()
    assert "class Glow(Loss)" in (tmp_path / "acme-losses/acme_losses/glow.py").read_text()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["new", "mine", "--kind", "los"], "there is no kind of part called 'los'; did you mean 'loss'?"),
        (
            ["new", "My Loss", "--kind", "loss"],
            "'My Loss' is no name of a package; write lower-case words with hyphens",
        ),
        (["check", "nowhere"], "there is no plugin, folder or file called 'nowhere'"),
    ],
)
def test_plugin_errors_are_one_line(words, line):
    result = CliRunner().invoke(app, ["plugin", *words])
    assert result.exit_code == 2 and line in result.output
    assert len(result.output.strip().splitlines()) == 1


@pytest.mark.slow
def test_plugin_check_ends_with_1_where_a_part_does_not_conform(tmp_path):
    (tmp_path / "faded.py").write_text(FADED)
    result = CliRunner().invoke(app, ["plugin", "check", str(tmp_path / "faded.py"), "--json"])
    assert result.exit_code == 1, result.output
    report = json.loads(result.output)[0]
    assert not report["passed"] and report["failures"]["gradients"] == "no gradient reaches any input or parameter"
