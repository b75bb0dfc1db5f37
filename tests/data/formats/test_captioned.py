"""Captioned views are read back as they were written, and mistakes in the file are told by name and place."""

import json

import pytest
import torch
from toy_views import toy_views

from maquette.data.formats.captioned import load_captioned_views, save_captioned_views
from maquette.errors import ConfigError
from maquette.priors.base import Request
from maquette.priors.oracle.oracle import Oracle
from views import around


def test_a_set_reads_back_as_it_was(tmp_path):
    views = toy_views()
    found = load_captioned_views(save_captioned_views(tmp_path, views))
    assert torch.equal(found.objects, views.objects)
    assert found.captions == views.captions and found.images.names == views.images.names
    torch.testing.assert_close(found.images.picture.rgba, views.images.picture.rgba, atol=0.501 / 255, rtol=0)
    torch.testing.assert_close(found.images.cameras.c2w, views.images.cameras.c2w)


def test_an_oracle_reads_a_folder_and_resizes_it(tmp_path):
    prior = Oracle(Oracle.Config(str(save_captioned_views(tmp_path, toy_views())), size=4))
    assert prior.clean.shape == (12, 3, 4, 4)
    assert float(prior.condition(Request("a red thing")).at(around(180.0))["positive"][0, 2]) == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r"version: expected 1, got 2"),
        ({"objects": [{"captions": ["a red thing"]}]}, r"objects.0.pictures: missing value"),
        ({"objects": [{"captions": [], "pictures": ["x"]}]}, r"objects.0: an object needs captions and pictures"),
        ({"objects": [{"captions": ["x"], "pictures": ["nowhere"]}]}, r"objects: no picture is called 'nowhere'"),
        ({"objects": [{"captions": ["x"], "pictures": ["a red thing/0"]}]}, r"no object has the picture 'a blue"),
        ({"objects": [{"captions": ["x"], "pictures": ["p"]}] * 2}, r"objects.1: 'p' is of object 0 already"),
    ],
)  # fmt: skip
def test_mistakes_are_told_by_key_and_file(tmp_path, change, message):
    save_captioned_views(tmp_path, toy_views())
    path = tmp_path / "captions.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError, match=message) as raised:
        load_captioned_views(tmp_path)
    assert "captions.json" in str(raised.value)


def test_a_folder_without_captions_says_which_file_is_missing(tmp_path):
    (save_captioned_views(tmp_path, toy_views()) / "captions.json").unlink()
    with pytest.raises(ConfigError, match=r"there is no .*captions.json"):
        load_captioned_views(tmp_path)
