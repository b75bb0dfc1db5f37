"""Files and pictures in a page, and its template."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from maquette.report import embedding
from maquette.report.embedding import data_url, fill_template, thumbnail_url


def test_a_thumbnail_keeps_its_proportions_within_the_box(tmp_path):
    Image.fromarray(np.zeros((10, 40, 3), np.uint8)).save(tmp_path / "wide.png")
    url = thumbnail_url(tmp_path / "wide.png", 20, 20)
    content = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    assert Image.open(io.BytesIO(content)).size == (20, 5)


def test_a_file_that_is_too_large_is_not_embedded(tmp_path, monkeypatch):
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    assert data_url(tmp_path / "a.gif") == "data:image/gif;base64,R0lGODlh"
    monkeypatch.setattr(embedding, "LARGEST_EMBEDDED_BYTES", 5)
    with pytest.raises(ValueError, match="too many to embed"):
        data_url(tmp_path / "a.gif")


def test_values_of_a_template_are_escaped(tmp_path):
    (tmp_path / "page.j2").write_text("<p>{{ name }}</p>")
    assert fill_template(tmp_path / "page.j2", name="<b>") == "<p>&lt;b&gt;</p>"
