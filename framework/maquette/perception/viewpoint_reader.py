"""Estimation of the camera's azimuth and elevation from a picture of an object."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.cameras.base import Cameras
from maquette.errors import ConfigError
from maquette.perception.image_encoder import ImageEncoder
from maquette.weights.loading import carried_weights, weights_source
from maquette.weights.raw_files import refuse_non_finite
from maquette.weights.tensor_files import read_tensors

HIDDEN = 256  # width of the network from embedding to direction


class ViewpointReader(nn.Module):
    """An image encoder, and a small network from its embedding to the camera's direction.

    Args:
        encoder: the image tower of a CLIP.
    """

    FOLDER = "direction"
    FILE = "model.safetensors"

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.direction = nn.Sequential(
            nn.Linear(encoder.width, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, 3)
        )

    def forward(self, images: Float[Tensor, "B H W 3"]) -> Float[Tensor, "B 3"]:
        """Elevation in radians, sine and cosine of azimuth, as in `directions`.

        Each is an expected value: for a picture that could be from the front or the back, the cosine is near 0.
        """
        return self.direction(self.encoder(images)).float()

    def save(self, folder: Path) -> None:
        """Write `image_encoder/`, `feature_extractor/` and `direction/`, half precision."""
        from safetensors.torch import save_file

        self.encoder.save(folder)
        path = folder / self.FOLDER
        path.mkdir(parents=True, exist_ok=True)
        state = {name: value.half().contiguous() for name, value in self.direction.state_dict().items()}
        save_file(state, path / self.FILE, metadata={"format": "pt"})

    @classmethod
    def load(cls, path: str) -> ViewpointReader:
        """Load weights saved by the learner `viewpoint`, in float32, frozen.

        Args:
            path: the name of weights that a plugin carries, or a folder.

        Raises:
            ConfigError: it cannot be loaded.
        """
        reader = cls(ImageEncoder.load(path, smooth=False))
        try:
            tensors = read_tensors(Path(weights_source(path)) / cls.FOLDER / cls.FILE)
            refuse_non_finite(tensors.items(), f"{path}/{cls.FOLDER}/{cls.FILE}")
            reader.direction.load_state_dict(tensors)
        except (ConfigError, RuntimeError) as problem:
            raise ConfigError(
                f"cannot read viewpoints with {path!r}: {str(problem).splitlines()[0]}",
                hint=f"give what the learner viewpoint saved: a folder, or a plugin's weights ({carried_weights()})",
            ) from problem
        return reader.eval().requires_grad_(False)


def azimuths_deg(predicted: Float[Tensor, "B 3"]) -> Float[Tensor, " B"]:
    """Azimuths in [-180, 180] of predicted directions.

    Example:
        >>> azimuths_deg(torch.tensor([[0.0, 0.5, 0.0], [0.2, 0.0, -0.3]]))
        tensor([ 90., 180.])
    """
    return torch.rad2deg(torch.atan2(predicted[:, 1], predicted[:, 2]))


def directions(cameras: Cameras) -> Float[Tensor, "B 3"]:
    """Elevation in radians, sine and cosine of azimuth of B cameras."""
    azimuth = torch.deg2rad(cameras.azimuth_deg)
    return torch.stack([torch.deg2rad(cameras.elevation_deg), azimuth.sin(), azimuth.cos()], dim=1)
