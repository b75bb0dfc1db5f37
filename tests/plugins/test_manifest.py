"""A manifest is read as it is written, and what is wrong in it is named with its key, file and line."""

import pytest

from fake_plugins import MANIFEST, part
from maquette.errors import PluginError
from maquette.plugins.manifest import PartEntry, read_manifest
from maquette.registry import Needs
from project import ROOT

GOOD = MANIFEST + 'license = "MIT"\n' + part("loss", "brightness", "acme.brightness:Brightness")


def read(tmp_path, text):
    path = tmp_path / "maquette-plugin.toml"
    path.write_text(text)
    return read_manifest(path)


def test_a_part_has_the_licence_of_the_plugin_where_it_gives_none(tmp_path):
    two = (
        part("loss", "other", "acme.other:Other") + 'license = "Apache-2.0"\nneeds = ["gpu"]\nweights = ["org/name"]\n'
    )
    manifest, needs = read(tmp_path, GOOD + two), Needs(gpu=True, weights=("org/name",))
    assert manifest.parts == (
        PartEntry("loss", "brightness", "acme.brightness:Brightness", "what it does", "MIT", Needs(), 6),
        PartEntry("loss", "other", "acme.other:Other", "what it does", "Apache-2.0", needs, 12),
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", r"schema: schema 2 is none that this maquette reads \(.*toml:2\); it reads 1"),
        ("schema = 1\n", "", r"schema: missing value \(.*toml\)"),
        ('api = ">=1,<2"', 'api = ">=2"', r"api: it is for version >=2 of the plugin interface \(.*:3\); .* has 1\.0"),
        ('api = ">=1,<2"', 'api = "new"', r"api: 'new' is no range of versions"),
        ("schema = 1", "schema =", r"cannot read .*maquette-plugin\.toml: .*line 2"),
        ("license", "licence", r"licence: unknown key \(.*:4\); did you mean 'license'"),
        ("[[parts]]", "[parts]", r"parts: expected tables, \[\[parts\]\]"),
        ('kind = "loss"', 'kind = "lose"', r"parts\.0\.kind: there is no kind .* 'lose' \(.*:6\); did you mean 'loss'"),
        ('kind = "loss"', "kind = 3", r"parts\.0\.kind: expected a text, got 3 \(.*:6\)"),
        ('kind = "loss"\n', "", r"parts\.0\.kind: missing value \(.*:6\); every part has one"),
        ('"what it does"', '" "', r"parts\.0\.summary: missing value"),
        ('"brightness"', '"acme/brightness"', r"parts\.0\.name: 'acme/brightness' is no name of a part"),
        (
            "acme.brightness:B",
            "acme.brightness.B",
            r"parts\.0\.target: .* is no class \(.*\); write PACKAGE\.MODULE:CLASS",
        ),
        ('name = "br', 'needs = ["weights"]\nname = "br', r"parts\.0\.weights: it needs weights, and names none"),
        (
            'name = "br',
            'memory_gb = 0\nname = "br',
            r"parts\.0\.memory_gb: expected a number of gigabytes",
        ),
        ('name = "br', 'needs = ["cpu"]\nname = "br', r"parts\.0\.needs: 'cpu' is no need .* did you mean 'gpu'"),
        ("license", 'register = "acme"\nlicense', r"register: 'acme' is no function \(.*:4\); write PACKAGE"),
    ],
)
def test_what_is_wrong_in_a_manifest_is_named_with_its_line(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(PluginError, match=message):
        read(tmp_path, GOOD.replace(old, new))


def test_a_part_is_declared_once(tmp_path):
    again = part("loss", "brightness", "acme.other:Other")
    with pytest.raises(PluginError, match=r"loss 'brightness' is declared twice \(.*:12\)"):
        read(tmp_path, GOOD + again)


def test_the_manifest_of_the_contributors_page_is_one(tmp_path):
    page = (ROOT / "CONTRIBUTING.md").read_text()
    text = page.split("# my_package/maquette-plugin.toml\n")[1].split("```")[0]
    assert read(tmp_path, text).parts[0].target == "my_package.brightness:Brightness"
