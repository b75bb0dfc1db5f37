"""The notebooks run from top to bottom in a fresh folder, and are kept without outputs."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from project import ROOT

TOUR = ROOT / "docs" / "notebooks" / "tour.ipynb"


def test_the_tour_is_kept_without_outputs():
    cells = [cell for cell in json.loads(TOUR.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells and not any(cell["outputs"] or cell["execution_count"] for cell in cells)


@pytest.mark.slow
def test_the_tour_runs(tmp_path):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(TOUR, 4)
    client = nbclient.NotebookClient(
        notebook, timeout=None, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    results = [output for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    page = next(output["data"]["text/html"] for output in results if "text/html" in output["data"])
    assert "contact sheet" in page and "<video" in page and "a red mug" in page
    pictures = [output["data"]["image/png"] for output in results if "image/png" in output["data"]]
    assert len(pictures) == 5
    for picture in pictures:
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB"))
        assert pixels.std() > 5
    assert (tmp_path / "mug.glb").stat().st_size > 10_000
    assert not any(output["output_type"] == "error" for cell in notebook.cells for output in cell.get("outputs", []))
