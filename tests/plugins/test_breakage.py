"""Ways to break a plugin: each is one line that names distribution, part and file, and everything else works.

A case is a plugin `acme`, beside one that works, `bolt`; what it warns when plugins are loaded, and how using it ends.
"""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
import torch
from typer.testing import CliRunner

from fake_plugins import HALF, MANIFEST, install, part
from maquette import plugins, registry
from maquette.cli.app import app
from maquette.config.parts import PartSpec, ScoreSpec, check
from maquette.errors import MaquetteError
from maquette.plugins import isolation

DECLARED = MANIFEST + part("score", "third", "acme.third:Half")
REGISTERS = MANIFEST + 'register = "acme.plugin:register"\n' + part("score", "third", "acme.third:Half")
METHOD = "name: broken\nsummary: what it does\nstages: {export: {type: export}}\n"


def configured() -> PartSpec:
    """The score `third`, as a config that names it makes it."""
    return check(ScoreSpec, {"type": "third", "share": 0.25}, "score", lambda key: None)


def run(*words: str) -> Callable[[], None]:
    """A command, whose one line on standard error is raised."""

    def command() -> None:
        result = CliRunner().invoke(app, words)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        if result.exit_code:
            raise MaquetteError(result.stderr.strip().removeprefix("error: "))

    return command


@dataclass(frozen=True)
class Case:
    """One way to break a plugin.

    Args:
        manifest: its text.
        files: path below the package -> text.
        warning: words of the one warning when plugins are loaded; empty: there is none.
        use: what is done with it then; None: nothing.
        refusal: words of the one line that this ends with; empty: it works.
        warned: words of the one warning of the use; empty: there is none.
        works: whether its score `third` can be used all the same.
    """

    manifest: str = DECLARED
    files: Mapping[str, str] = field(default_factory=dict)
    warning: tuple[str, ...] = ()
    use: Callable[[], object] | None = None
    refusal: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()
    works: bool = False


def at_import(code: str, *words: str, works: bool = False) -> Case:
    """Code at the top of the module with `register`."""
    files = {"plugin.py": f"{code}\ndef register(hooks): pass\n", "third.py": HALF}
    return Case(REGISTERS, files, ("plugin acme 1.0", *words), works=works)


def in_register(code: str, *words: str) -> Case:
    """Code within `register`."""
    files = {"plugin.py": f"def register(hooks):\n    {code}\n", "third.py": HALF}
    return Case(REGISTERS, files, ("plugin acme 1.0 is skipped", *words))


def in_part(code: str, *words: str, use: Callable[[], object] = configured) -> Case:
    """Code at the top of the module with the part."""
    return Case(files={"third.py": code}, use=use, refusal=("score 'third' of plugin acme 1.0", *words))


def in_manifest(manifest: str, *words: str, files: Mapping[str, str] | None = None) -> Case:
    """Text of the manifest."""
    return Case(manifest, files or {"third.py": HALF}, ("plugin acme 1.0 is skipped", "maquette-plugin.toml", *words))


WITHOUT_CONFIG = "from maquette.scores.base import Score\nclass Half(Score): pass\n"
BAD_CONFIG = HALF.replace("share: float = 0.5", "share: float = 0.5\n        def __post_init__(self): 1 / 0")
BAD_TYPE = "from __future__ import annotations\n" + HALF.replace("share: float", "share: Nowhere")
BAD_CAPABILITIES = HALF.replace('return noise_prediction_from("positive")', "return 1 / 0")
BAD_INIT = HALF + "    def __init__(self, config): self.combine(None)\n"
CONFIGS = "hooks.configs(__file__.replace('plugin.py', 'configs'))"

CASES = {
    "SystemExit at import": at_import("raise SystemExit(3)", "is skipped: SystemExit: 3", "plugin.py:1"),
    "exception at import": at_import("import no_such_library", "is skipped: ModuleNotFoundError", "plugin.py:1"),
    "syntax error at import": at_import("def f(:", "is skipped: SyntaxError", "plugin.py:1"),
    "exception in register": in_register("raise KeyError('x')", "KeyError: 'x'", "plugin.py:2"),
    "unknown hook": in_register("hooks.config('x')", "no hook called 'config'; did you mean 'configs'", "plugin.py:2"),
    "weights folder absent": in_register("hooks.weights('w', '/no/w')", "weights 'w': there is no folder /no/w"),
    "weights without a name": in_register("hooks.weights('', '.')", "weights: '' is no name"),
    "register that is none": Case(
        REGISTERS, {"plugin.py": "register = 3", "third.py": HALF},
        ("plugin acme 1.0 is skipped", "acme.plugin:register is no function"),
    ),
    "output at import": at_import("print('hello')", "printed when it was imported: hello", works=True),
    "warning at import": at_import("import warnings; warnings.warn('old')", "warned: UserWarning: old", works=True),
    "root logging at import": at_import(
        "import logging; logging.root.setLevel(50)", "changed the root logger; that is undone", works=True
    ),
    "default dtype at import": at_import(
        "import torch; torch.set_default_dtype(torch.float64)", "changed torch's default dtype", works=True
    ),
    "random state at import": at_import("import random; random.seed(1)", "Python's random state", works=True),
    "working folder at import": at_import("import os; os.chdir('/')", "changed the working folder", works=True),
    "slow import": at_import("import time; time.sleep(1)", "s to import", works=True),
    "broken TOML": in_manifest("schema = ", "cannot read", "Invalid value"),
    "missing key": in_manifest(MANIFEST + '[[parts]]\nkind = "score"\n', "parts.0.name: missing value"),
    "unknown kind": in_manifest(DECLARED.replace('"score"', '"scorer"'), "no kind of part called 'scorer'"),
    "other version of the interface": in_manifest(DECLARED.replace(">=1,<2", ">=2"), "for version >=2", "1.0"),
    "missing manifest": Case(None, {}, ("plugin acme 1.0 is skipped", "maquette-plugin.toml")),
    "taken name of a built-in part": Case(
        DECLARED + part("score", "cfg", "acme.third:Half"), {"third.py": HALF},
        ("score 'cfg' of plugin acme 1.0", "built-in", "acme/cfg"), works=True,
    ),
    "taken name of another plugin's part": Case(
        DECLARED + part("score", "half", "acme.third:Half"), {"third.py": HALF},
        ("score 'half' is offered by plugins acme and bolt", "acme/half or bolt/half"), works=True,
    ),
    "taken name of another plugin's weights": Case(
        REGISTERS, {"third.py": HALF, "plugin.py": "def register(hooks): hooks.weights('nano-clip', '/')"},
        ("weights 'nano-clip' is offered by plugins acme and maquette-nano", "acme/nano-clip"), works=True,
        use=run("inspect", "nano-clip"), refusal=("write acme/nano-clip or maquette-nano/nano-clip",),
    ),
    "missing target module": Case(
        use=configured,
        refusal=("score.type: score 'third' of plugin acme 1.0", "No module named 'acme.third' (", "toml:5)"),
    ),
    "target that is no class": in_part("Half = 3", "acme.third:Half, the target, is no class", "toml:5"),
    "SystemExit in a part": in_part("raise SystemExit", "SystemExit", "third.py:1"),
    "part without Config": in_part(WITHOUT_CONFIG, "it lacks a dataclass Config", "acme"),
    "unfinished part": in_part("class Half: pass", "it lacks", "the base class maquette.scores.base.Score"),
    "exception in Config": in_part(BAD_CONFIG, "ZeroDivisionError", "third.py:10"),
    "unknown type in Config": in_part(BAD_TYPE, "NameError", "Nowhere", "acme"),
    "exception in capabilities": in_part(
        BAD_CAPABILITIES, "ZeroDivisionError", "third.py:11", use=lambda: configured().capabilities
    ),
    "exception when it is built": in_part(
        BAD_INIT, "TypeError", "third.py:12", use=lambda: configured().build()
    ),
    "broken YAML in its configs": Case(
        REGISTERS,
        {"third.py": HALF, "plugin.py": f"def register(hooks): {CONFIGS}", "configs/methods/bad.yaml": "a: ["},
        use=run("list", "methods"), warned=("plugin acme 1.0", "bad.yaml:1"), works=True,
    ),
    "config that names a missing part": Case(
        REGISTERS,
        {
            "third.py": HALF, "plugin.py": f"def register(hooks): {CONFIGS}",
            "configs/methods/bad.yaml": METHOD.replace("type: export", "type: exprot"),
        },
        use=run("run", "bad"), refusal=("no stage called 'exprot'", "bad.yaml:3"), works=True,
    ),
    "shadowed method": Case(
        REGISTERS,
        {
            "third.py": HALF, "plugin.py": f"def register(hooks): {CONFIGS}",
            "configs/methods/dreamfusion.yaml": METHOD,
        },
        use=run("list", "methods"), warned=("method 'dreamfusion' of acme is", "acme/dreamfusion"), works=True,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_broken_plugin_is_one_line_and_everything_else_works(case, site, monkeypatch, caplog):
    monkeypatch.setattr(isolation, "SLOW_SECONDS", 0.9 if case is CASES["slow import"] else float("inf"))
    install(site, "bolt")
    folder = install(site, "acme", case.manifest, case.files)
    if case.manifest is None:
        (folder / "maquette-plugin.toml").unlink()
    states = os.getcwd(), random.getstate(), torch.get_default_dtype(), logging.root.level
    plugins.reload()
    assert (os.getcwd(), random.getstate(), torch.get_default_dtype(), logging.root.level) == states
    assert_one_line([record.getMessage() for record in caplog.records], case.warning)
    caplog.clear()
    if case.use is not None:
        assert_one_line(outcome(case.use), case.refusal)
        assert_one_line(
            [record.getMessage() for record in caplog.records if record.levelno > logging.INFO], case.warned
        )
    if case.works:
        assert configured().build() is not None
    assert registry.get("score", "cfg").__module__ == "maquette.scores.cfg"
    assert registry.get("score", "bolt/half").__module__ == "bolt.half"
    assert registry.sources("dataset", "nano-world") == ["maquette-nano"]
    for words in (["list", "score"], ["plugin", "list"]):
        assert CliRunner().invoke(app, words).exit_code == 0, words


def outcome(use: Callable[[], object]) -> list[str]:
    """The line that a use ends with; none where it works."""
    try:
        use()
    except MaquetteError as problem:
        return [str(problem)]
    return []


def assert_one_line(lines: list[str], words: tuple[str, ...]) -> None:
    """Assert that there is one line, with the words; none where there are no words."""
    assert len(lines) == bool(words), lines
    for word in words:
        assert word in lines[0], (word, lines)
    assert not any("\n" in line for line in lines)


def test_the_cases_are_at_least_the_24():
    assert len(CASES) >= 24
