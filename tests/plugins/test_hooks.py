"""What `register(hooks)` adds is checked when it is added."""

import pytest

from maquette.errors import PluginError
from maquette.plugins.hooks import HOOKS, Hooks
from project import ROOT


def test_hooks_keep_what_is_added(tmp_path):
    hooks = Hooks()
    hooks.configs(tmp_path)
    hooks.weights("mine", str(tmp_path))
    hooks.reader("blend", print)
    hooks.kernel_backend("hash-grid", "acme", "acme.hash_grid", devices=("cuda",))
    hooks.conversion("field", "mesh", "acme.convert:to_mesh")
    hooks.command("hello", print)
    assert hooks.config_folders == [tmp_path] and hooks.weight_folders == {"mine": tmp_path}
    assert hooks.readers == {"blend": print} and hooks.commands == {"hello": print}
    assert hooks.kernel_backends[0].module == "acme.hash_grid"
    assert hooks.conversions == {("field", "mesh"): "acme.convert:to_mesh"}


def test_an_unknown_hook_names_the_nearest():
    with pytest.raises(PluginError, match=r"there is no hook called 'config'; did you mean 'configs'\? hooks: "):
        Hooks().config("folder")
    assert not hasattr(Hooks(), "no_such_hook")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda hooks: hooks.configs("/no/such/folder"), "configs: there is no folder /no/such/folder"),
        (lambda hooks: hooks.weights("w", "/no/such"), "weights 'w': there is no folder /no/such"),
        (lambda hooks: hooks.weights("a/b", "."), "weights: 'a/b' is no name"),
        (lambda hooks: [hooks.weights("w", ".") for _ in range(2)], "weights 'w' is added twice"),
        (lambda hooks: hooks.command("x", 3), "command 'x' is no typer app and no function, but 3"),
        (lambda hooks: hooks.reader("c", print), "a scheme has two letters or more"),
        (lambda hooks: hooks.kernel_backend("hashgrid", "a", "b"), "did you mean 'hash-grid'"),
        (lambda hooks: hooks.conversion("nerf", "mesh", "a:b"), "and not from 'nerf'"),
        (lambda hooks: hooks.conversion("field", "mesh", "a.b"), "'a.b' is no function; write PACKAGE.MODULE:FUNCTION"),
    ],
)  # fmt: skip
def test_a_wrong_call_of_a_hook_is_refused(call, message):
    with pytest.raises(PluginError) as refusal:
        call(Hooks())
    assert message in str(refusal.value)


def test_the_contributors_page_lists_the_hooks():
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert all(f"| `{name}(" in page for name in HOOKS)
