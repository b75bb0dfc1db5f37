"""Sets of posed images: our JSON, the `transforms.json` of NeRF-synthetic and its kin, COLMAP.

images = load_posed_images("data/lego", Reading(size=200))
train = images.select("train")
target = train.picture.over(1.0)  # what a rendering of train.cameras over white should look like
"""

from maquette.data.formats.cameras_json import save_posed_images
from maquette.data.formats.frames import Reading
from maquette.data.formats.loading import inspect_posed_images, load_posed_images
from maquette.data.formats.posed_images import PosedImages, SparsePoints, Split, posed_cameras

__all__ = [
    "PosedImages",
    "Reading",
    "SparsePoints",
    "Split",
    "inspect_posed_images",
    "load_posed_images",
    "posed_cameras",
    "save_posed_images",
]
