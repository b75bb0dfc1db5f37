"""A feed-forward network from posed views of an object to signed distances on a grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from maquette.annotations import Channels, Count, Pixels, Positive, Samples, WeightsPath
from maquette.cameras.base import Cameras
from maquette.errors import ConfigError
from maquette.perception.network_folder import SavedNetwork
from maquette.perception.view_volume import ViewVolume
from maquette.perception.volume_unet import VolumeUNet, unfold


@dataclass(frozen=True)
class Architecture:
    """Sizes of a reconstructor; they travel with its weights."""

    bound: Positive = 0.84  # half side of the cube, scene units
    resolution: Samples = 32  # cells along a side of the cube
    size: Pixels = 64  # side of the pictures
    picture_widths: tuple[Channels, Channels, Channels] = (24, 48, 96)  # channels at 1/2, 1/4 and 1/8 of that side
    features: Channels = 16  # learned features of each view at a cell
    widths: tuple[Channels, ...] = (32, 64, 128)  # channels of the 3D U-Net, at half the resolution first
    blocks: tuple[Count, ...] = (1, 1, 2)  # residual blocks per level of the 3D U-Net
    context: Channels = 128  # size of the context vector
    patches: WeightsPath = field(default="", kw_only=True)  # DINOv2 weights whose features join the learned ones

    def __post_init__(self) -> None:
        if len(self.blocks) != len(self.widths):
            raise ValueError(f"{len(self.widths)} levels need as many numbers of blocks, not {len(self.blocks)}")
        if self.resolution % 2 ** len(self.widths):
            raise ValueError(f"{len(self.widths)} levels need a resolution that {2 ** len(self.widths)} divides")

    @property
    def cell(self) -> float:
        """Side of a cell, scene units."""
        return 2 * self.bound / self.resolution


class Reconstructor(SavedNetwork):
    """Predicts signed distances at the centres of a cube's cells from posed views, in one evaluation.

    Args:
        architecture: its sizes.
    """

    sizes = Architecture
    title = "reconstructor"
    learner = "reconstructor"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.views = ViewVolume(a.bound, a.resolution, a.picture_widths, a.features, a.context, a.patches)
        self.unet = VolumeUNet(self.views.channels, 8, a.widths, a.context, a.blocks)

    def check_cube(self, bound: float, resolution: int, source: str, key: str) -> None:
        """Check that it fills the cube of the data that it goes on with.

        Args:
            bound: half side of the data's cube, scene units.
            resolution: cells along a side of it.
            source: where its weights are from, for messages.
            key: config key, for messages.

        Raises:
            ConfigError: it fills another one.
        """
        a = self.architecture
        if (a.bound, a.resolution) != (bound, resolution):
            raise ConfigError(
                f"{source!r} fills a cube of half side {a.bound:g} with {a.resolution} cells a side, the data one of "
                f"{bound:g} with {resolution}", key=key, hint="give data of its cube",
            )  # fmt: skip

    def forward(self, images: Float[Tensor, "B V H W 3"], cameras: Cameras) -> Float[Tensor, "B N N N"]:
        """Signed distances in cells, negative inside, x first; trained to be truncated at -1 and 1.

        Args:
            images: in [0, 1] over plain backgrounds, of the side that the network was trained on.
            cameras: B V cameras, the V views of an object one after the other.
        """
        volume, context = self.views(images, cameras)
        return unfold(self.unet(volume, context)).squeeze(1).float()
