"""Stage two of One-2-3-45++: a sparse U-Net that predicts clean distances and colours of cells near the surface."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from maquette.annotations import Channels, Count
from maquette.cameras.base import Cameras
from maquette.diffusion.samplers import SamplerName
from maquette.generators.one2345.diffusion import sample_clean
from maquette.generators.one2345.shape_network import ShapeArchitecture, zeroed
from maquette.generators.one2345.sparse import SparseUNet, TokenLevels, Tokens
from maquette.perception.network_folder import SavedNetwork
from maquette.perception.reconstructor import Reconstructor
from maquette.perception.view_volume import ViewVolume, cell_centres
from maquette.randomness import Draws

CHILDREN = 8  # cells of half the side that a token is split into
DISTANCES, COLORS = CHILDREN, 3 * CHILDREN  # channels of a token; channel, x, y, z of the child from slow to fast
ACTIVE = 0.87  # cells; nearer ones of the coarse grid are split: half the diagonal of a cell, as in the paper


@dataclass(frozen=True)
class SurfaceArchitecture(ShapeArchitecture):
    """Sizes of the network of stage two, whose tokens are cells of stage one; they travel with its weights."""

    widths: tuple[Channels, ...] = (64, 128)  # channels of the sparse U-Net, at the tokens first
    blocks: tuple[Count, ...] = (1, 2)  # residual blocks per level


@dataclass(frozen=True)
class TokenCondition:
    """What the network is conditioned on, for n tokens of B objects.

    Args:
        features: the views at the tokens and their children, the coarse distances, the position [n, C].
        base: coarse distances interpolated at the children, in coarse cells, and their mean colours over the views, in
            [-1, 1] [n, 32].
        context: of each object [B, D].
        levels: the tokens.
    """

    features: Float[Tensor, "n C"]
    base: Float[Tensor, "n K"]
    context: Float[Tensor, "B D"]
    levels: TokenLevels


class SurfaceNetwork(SavedNetwork):
    """Predicts clean distances and colours of the eight children of each token from noisy ones.

    The prediction is a correction of the coarse distances and of the mean colour of the views, zero at first. The
    children's colours in the views are given to the last layer, too.

    Args:
        architecture: its sizes.

    Source: Liu et al. 2023 (One-2-3-45++, arXiv 2311.07885), sec. 3.2 and 3.3; children as channels of their parent,
    which costs a third of a network over the children.
    """

    sizes = SurfaceArchitecture
    title = "surface network of One-2-3-45++"
    learner = "one2345-surface"

    def __init__(self, architecture: SurfaceArchitecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        self.views = ViewVolume(a.bound, a.resolution, a.picture_widths, a.features, a.context, a.patches)
        self.whole = zeroed(nn.Linear(a.tower_width, a.context))
        entering = self.views.channels + DISTANCES + DISTANCES + COLORS
        self.unet = SparseUNet(entering, DISTANCES + COLORS, a.widths, a.context, a.blocks, last=COLORS)

    def condition(
        self,
        images: Float[Tensor, "B V H W 3"],
        cameras: Cameras,
        embedding: Float[Tensor, "B E"],
        coarse: Float[Tensor, "B N N N"],
        active: Bool[Tensor, "B N N N"],
    ) -> TokenCondition:
        """The condition, computed once for all steps.

        Args:
            images: in [0, 1] over plain backgrounds, of the side that the network was trained on.
            cameras: B V cameras, the V views of an object one after the other.
            embedding: of the picture of each object, by the tower.
            coarse: distances in cells.
            active: cells that are split.
        """
        tokens, views = Tokens.of(active), images.shape[1]
        centres, children = self.positions(tokens)
        parts, contexts = [], []
        for i in range(len(images)):
            own = tokens.object == i
            raw, learned, context = self.views.at(
                images[i : i + 1], cameras[i * views : (i + 1) * views], children[own].flatten(0, 1), centres[own]
            )
            by_child = raw[0].unflatten(1, (-1, CHILDREN)).permute(1, 0, 2).flatten(1)  # channel, child
            parts.append(torch.cat([by_child, learned[0].T, centres[own]], dim=1))
            contexts.append(context)
        features = torch.cat(parts)
        distances = interpolated(coarse, children / self.architecture.bound, tokens)
        base = torch.cat([distances, features[:, :COLORS] * 2 - 1], dim=1)  # the raw channels begin with mean color
        context = torch.cat(contexts) + self.whole(embedding)
        return TokenCondition(
            torch.cat([features, distances], dim=1), base, context, TokenLevels(tokens, len(self.architecture.widths))
        )

    def forward(self, noisy: Float[Tensor, "n K"], timestep: Tensor, condition: TokenCondition) -> Float[Tensor, "n K"]:
        """Predicted clean distances, in coarse cells, and colours of the children, both in [-1, 1]; `timestep` [B]."""
        features = torch.cat([condition.features, noisy], dim=1)
        colors = condition.base[:, DISTANCES:]
        return condition.base + self.unet(features, condition.levels, condition.context, timestep, colors)

    def positions(self, tokens: Tokens) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 8 3"]]:
        """Centres of the tokens, and of their children, x slowest; scene units."""
        side = 2 * self.architecture.bound / self.architecture.resolution
        centres = (tokens.cells[:, 1:] + 0.5) * side - self.architecture.bound
        return centres, centres[:, None] + cell_centres(side / 2, 2).to(centres)

    def start_from(self, reconstructor: Reconstructor) -> None:
        """Take over how a reconstructor of the same sizes reads pictures; features of patches have no influence yet."""
        self.views.load_state_dict(reconstructor.views.state_dict(), strict=not self.architecture.patches)


def sample_tokens(
    network: SurfaceNetwork, condition: TokenCondition, steps: int, draws: Draws, sampler: SamplerName = "ddim"
) -> Float[Tensor, "n 32"]:
    """Distances, in coarse cells, and colours of the tokens' children, in [-1, 1]."""
    tokens = condition.levels.tokens[0]
    if not len(tokens):
        return condition.base.new_empty(0, DISTANCES + COLORS)
    noise = draws.normal("tokens", len(tokens), DISTANCES + COLORS, 1, 1).to(condition.base)

    def predict(noisy: Tensor, t: Tensor) -> Tensor:  # all tokens have the timestep of the step
        return network(noisy[..., 0, 0], t[:1].expand(tokens.objects), condition)[..., None, None]

    return sample_clean(predict, noise, steps, draws, sampler)[..., 0, 0]


def interpolated(
    coarse: Float[Tensor, "B N N N"], places: Float[Tensor, "n 8 3"], tokens: Tokens
) -> Float[Tensor, "n 8"]:
    """Values of each token's grid at places in [-1, 1]^3, between cell centres; beyond, the outermost."""
    result = coarse.new_empty(places.shape[:2])
    for i in range(len(coarse)):
        own = tokens.object == i
        at = places[own].flip(-1)[None, None]  # grid_sample takes the last axis first
        values = functional.grid_sample(coarse[i, None, None], at, padding_mode="border", align_corners=False)
        result[own] = values[0, 0, 0]
    return result
