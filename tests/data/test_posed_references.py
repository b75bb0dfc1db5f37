"""Pictures of a posed set that priors may continue."""

import pytest
import torch

from maquette.cameras import orbit_cameras
from maquette.data.formats import PosedImages, save_posed_images
from maquette.data.posed_images import PosedImagesData
from maquette.errors import ConfigError
from maquette.images.picture import Picture


@pytest.fixture
def folder(tmp_path):
    """A transparent green picture from the front, an opaque one from the left."""
    cameras = orbit_cameras(torch.tensor([0.0, 90.0]), torch.zeros(2), 3 * torch.ones(2), 40 * torch.ones(2), 8)
    images = torch.tensor([0.0, 1.0, 0.0, 0.0]).expand(2, 8, 8, 4).clone()
    images[1, ..., 3] = 1
    save_posed_images(tmp_path, PosedImages(Picture.from_rgba(images), cameras, ("train", "train"), ("front", "left")))
    return tmp_path


def prepared(folder, **references: float) -> PosedImagesData:
    made = PosedImagesData(PosedImagesData.Config(str(folder), references=references))
    made.prepare(torch.device("cpu"))
    return made


def test_named_pictures_are_references_with_their_alpha(folder):
    left, front = prepared(folder, left=0.5, front=1.0).references()
    assert (left.weight, front.weight) == (0.5, 1.0)
    assert left.cameras.azimuth_deg.item() == pytest.approx(90, abs=1e-3)
    assert torch.equal(left.picture.over(0.25), torch.tensor([0.0, 1.0, 0.0]).expand(1, 8, 8, 3))
    assert torch.equal(front.picture.over(0.25), torch.full((1, 8, 8, 3), 0.25))


def test_none_are_unless_they_are_named(folder):
    assert prepared(folder).references() == ()


def test_unknown_names_are_refused_with_known_ones(folder):
    with pytest.raises(
        ConfigError, match=r"data.references: no training picture is called top; some names are front, left"
    ):
        prepared(folder, top=1.0).references()
