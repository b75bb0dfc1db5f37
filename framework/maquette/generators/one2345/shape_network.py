"""Stage one of One-2-3-45++: a dense 3D U-Net that predicts clean distances from noisy ones and posed views."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from maquette.annotations import Channels, WeightsPath
from maquette.cameras.base import Cameras
from maquette.diffusion.samplers import SamplerName
from maquette.generators.one2345.diffusion import sample_clean
from maquette.perception.network_folder import SavedNetwork
from maquette.perception.reconstructor import Architecture, Reconstructor
from maquette.perception.view_volume import ViewVolume
from maquette.perception.volume_unet import VolumeUNet, fold, unfold
from maquette.randomness import Draws


@dataclass(frozen=True)
class ShapeArchitecture(Architecture):
    """Sizes of the network of stage one; they travel with its weights. The paper's cube has 64 cells a side."""

    tower: WeightsPath = ""  # CLIP weights whose image tower gives the global condition
    tower_width: Channels = 128  # size of its embedding
    local: bool = True  # whether there is a local condition, the views at the cells; without, the global one is all


@dataclass(frozen=True)
class Condition:
    """What a network is conditioned on, for B objects: a volume at half the resolution, and a vector."""

    volume: Float[Tensor, "B C n n n"]
    context: Float[Tensor, "B D"]


class ShapeNetwork(SavedNetwork):
    """Predicts the clean grid from a noisy one.

    The noisy distances, folded, enter beside the local condition; the global one is added to the context that
    modulates the blocks, as the timestep is. At first all but the local condition has no influence, so that a network
    started from a reconstructor's weights begins with its regression.

    Args:
        architecture: its sizes.

    Source: Liu et al. 2023 (One-2-3-45++, arXiv 2311.07885), sec. 3.2 and 3.3.
    """

    sizes = ShapeArchitecture
    title = "shape network of One-2-3-45++"
    learner = "one2345-shape"

    def __init__(self, architecture: ShapeArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.views = ViewVolume(a.bound, a.resolution, a.picture_widths, a.features, a.context, a.patches)
        self.whole = zeroed(nn.Linear(a.tower_width, a.context))
        self.unet = VolumeUNet(self.views.channels + 8, 8, a.widths, a.context, a.blocks, timed=True)
        last = self.unet.timestep[-1] if self.unet.timestep is not None else None
        assert isinstance(last, nn.Linear)
        zeroed(last)
        with torch.no_grad():
            self.unet.enter.weight[:, self.views.channels :] = 0

    def condition(
        self, images: Float[Tensor, "B V H W 3"], cameras: Cameras, embedding: Float[Tensor, "B E"]
    ) -> Condition:
        """The condition, computed once for all steps.

        Args:
            images: in [0, 1] over plain backgrounds, of the side that the network was trained on.
            cameras: B V cameras, the V views of an object one after the other.
            embedding: of the picture of each object, by the tower.
        """
        volume, context = self.views(images, cameras)
        if not self.architecture.local:
            volume, context = torch.zeros_like(volume), torch.zeros_like(context)
        return Condition(volume, context + self.whole(embedding))

    def forward(
        self, noisy: Float[Tensor, "B N N N"], timestep: Tensor, condition: Condition
    ) -> Float[Tensor, "B N N N"]:
        """Predicted clean distances in cells, negative inside, x first; trained to be truncated at -1 and 1."""
        volume = torch.cat([condition.volume, fold(noisy[:, None])], dim=1)
        return unfold(self.unet(volume, condition.context, timestep)).squeeze(1).float()

    def start_from(self, reconstructor: Reconstructor) -> None:
        """Take over the weights of a reconstructor of the same sizes."""
        state, grown = self.state_dict(), reconstructor.state_dict()
        enter = "unet.enter.weight"
        grown[enter] = torch.cat([grown[enter], state[enter][:, grown[enter].shape[1] :]], dim=1)
        self.load_state_dict({**state, **grown})


def sample_shape(
    network: ShapeNetwork, condition: Condition, steps: int, draws: Draws, sampler: SamplerName = "ddim"
) -> Float[Tensor, "B N N N"]:
    """Distances in cells, negative inside, in [-1, 1]; one step is the network's prediction from pure noise."""
    side = network.architecture.resolution
    noise = draws.normal("volume", len(condition.context), side, side, side).to(condition.context)
    return sample_clean(lambda noisy, t: network(noisy, t, condition), noise, steps, draws, sampler)


def zeroed(layer: nn.Linear) -> nn.Linear:
    """The layer with weights and biases of zero, in place."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
