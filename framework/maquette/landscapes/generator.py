"""SceneDreamer's generator: a landscape, a camera and a style become a picture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from maquette.annotations import Channels, Count, CountOrNone, Pixels, Positive
from maquette.kernels.hash_grid import HashGridSpec
from maquette.landscapes.decoder import Decoder
from maquette.landscapes.field import LandscapeField
from maquette.landscapes.modulation import StyleNetwork
from maquette.landscapes.scene_code import CODE, SceneEncoder
from maquette.landscapes.sky import Sky
from maquette.landscapes.style_encoder import StyleEncoder
from maquette.landscapes.views import LandscapeView, labels_at
from maquette.landscapes.world import Landscape
from maquette.perception.network_folder import SavedNetwork

OPAQUE = 3.0  # initial optical thickness of what a ray meets: 95 % of the light is stopped


@dataclass(frozen=True)
class GeneratorSizes:
    """Sizes of a generator; the defaults are the paper's."""

    levels: Count = 16  # of the hash grid
    features_per_level: Count = 8
    log2_table_size: Count = 19
    base_resolution: Count = 16  # of the three axes of space
    finest_resolution: Count = 2048
    code_base_resolution: Count = 16  # of the two axes of the scene code
    code_finest_resolution: Count = 2048
    hidden: Channels = 256  # of the field's network
    features: Channels = 64  # numbers of a colour feature
    style: Channels = 128  # numbers of a style
    style_hidden: Channels = 256  # of the style network, and numbers of what modulated layers follow
    style_layers: Count = 5
    sky_frequencies: Count = 5
    sky_hidden: Channels = 256
    decoder_hidden: Channels = 256
    encoder_width: Channels = 8  # of the scene encoder
    encoder_blocks: Count = 5
    style_side: Pixels = 256  # of pictures whose style is read
    style_filters: Channels = 64
    samples: Count = 24  # along a ray
    sample_depth: Positive = 3.0  # cells behind the first meeting that they are spread over
    density_scale: Positive = 0.25  # of distances between samples
    padding: CountOrNone = 3  # pixels to each side that are rendered and cut off

    def __post_init__(self) -> None:
        if self.style_side < 8 or self.style_side & (self.style_side - 1):
            raise ValueError(f"style_side is halved down to 4: give 8, 16, 32 and so on, not {self.style_side}")

    @property
    def grid(self) -> HashGridSpec:
        """The hash grid of position and scene code."""
        base = (self.base_resolution,) * 3 + (self.code_base_resolution,) * CODE
        finest = (self.finest_resolution,) * 3 + (self.code_finest_resolution,) * CODE
        return HashGridSpec(
            self.levels, self.features_per_level, self.log2_table_size, base, finest, dimensions=3 + CODE
        )


class Generator(SavedNetwork):
    """Renders landscapes: field and sky along rays, blended to a feature map, decoded to a picture.

    Args:
        sizes: its sizes.
    """

    sizes = GeneratorSizes
    title = "generator of landscapes"
    learner = "landscape"
    unhalved = ("scene_encoder.",)  # raw codes of different worlds may differ by less than half precision tells

    def __init__(self, sizes: GeneratorSizes) -> None:
        super().__init__()
        s = self.architecture = sizes
        self.scene_encoder = SceneEncoder(s.encoder_width, s.encoder_blocks)
        density = OPAQUE / (s.sample_depth * s.density_scale)
        self.field = LandscapeField(s.grid, s.hidden, s.features, s.style_hidden, density)
        self.style_network = StyleNetwork(s.style, s.style_hidden, s.style_hidden, s.style_layers)
        self.sky = Sky(s.sky_frequencies, s.sky_hidden, s.features, s.style_hidden)
        self.decoder = Decoder(s.features, s.decoder_hidden, s.style_hidden)
        self.style_encoder = StyleEncoder(s.style_side, s.style_filters, s.style)

    def forward(
        self,
        scene: Landscape,
        view: LandscapeView,
        code: Float[Tensor, 2],
        style: Float[Tensor, "1 S"],
        jitter: Float[Tensor, "H W samples"] | None = None,
        sky_features: Float[Tensor, " F"] | None = None,
        at_once: int | None = None,
    ) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "H W"]]:
        """A picture in [0, 1] without the padding of the view, and the depth of the blended samples with it.

        Args:
            scene: the landscape.
            view: what a camera meets in it, `padding` pixels larger to each side than the picture.
            code: scene code.
            style: as drawn from a standard normal distribution, or encoded from a picture.
            jitter: place of each sample in its piece of the ray, in [0, 1); None: the middle.
            sky_features: mean of the sky over the whole picture, where the view is a tile of it; None: over the view.
            at_once: rays whose samples are computed together; None: all. Without gradients few are faster.
        """
        follow = self.style_network(style)[0]
        met = view.depth.isfinite()
        sky = self.sky(view.directions.reshape(-1, 3), follow)
        mean = sky.mean(dim=0) if sky_features is None else sky_features
        blended = sky.clamp(-1, 1).clone()
        depth = view.depth.flatten().clone()
        if bool(met.any()):
            count = self.architecture.samples
            place = torch.full((*met.shape, count), 0.5) if jitter is None else jitter
            rays = (view.origins[met], view.directions[met], view.depth[met], view.labels[met], place[met])
            split = zip(*(part.split(at_once or len(part)) for part in rays), strict=True)
            parts = [self._land(scene, code, follow, *some) for some in split]
            land, remaining, between = (torch.cat(part) for part in zip(*parts, strict=True))
            # What is left of a ray that meets land shows the sky's mean, so that no sky leaks into it.
            blended[met.flatten()] = land + remaining[:, None] * mean.clamp(-1, 1)
            depth[met.flatten()] = between
        features = blended.unflatten(0, view.depth.shape).permute(2, 0, 1)[None]
        picture, edge = self.decoder(features, follow[None])[0], self.architecture.padding
        height, width = view.depth.shape
        return picture[:, edge : height - edge, edge : width - edge], depth.unflatten(0, view.depth.shape)

    def _land(
        self,
        scene: Landscape,
        code: Float[Tensor, 2],
        follow: Float[Tensor, " S"],
        origins: Float[Tensor, "n 3"],
        directions: Float[Tensor, "n 3"],
        met: Float[Tensor, " n"],
        first_labels: Int[Tensor, " n"],
        place: Float[Tensor, "n samples"],
    ) -> tuple[Float[Tensor, "n F"], Float[Tensor, " n"], Float[Tensor, " n"]]:
        """Features, what is left of the light, and depth of rays that meet something at the depth `met`."""
        samples, reach = self.architecture.samples, self.architecture.sample_depth
        along = (torch.arange(samples) + place) * (reach / samples)
        along = along - along[:, :1]  # the first sample lies where the ray meets something
        t = met[:, None] + along
        points = origins[:, None] + t[..., None] * directions[:, None]
        labels, solid = labels_at(scene, points)
        labels = labels.where(solid, first_labels[:, None])
        density, features = self.field(scene.positions(points).reshape(-1, 3), code, labels.flatten(), follow)
        # In the air behind a tree there is nothing; the first sample is solid whatever the rounding.
        solid = solid | (torch.arange(samples) == 0)
        thickness = density.view_as(t) * solid * (reach / samples * self.architecture.density_scale)
        passed = torch.exp(-(thickness.cumsum(dim=1) - thickness))
        weights = passed * (1 - torch.exp(-thickness))
        remaining = 1 - weights.sum(dim=1)
        land = (weights[..., None] * features.view(*t.shape, -1).clamp(-1, 1)).sum(dim=1)
        depth = (weights * t).sum(dim=1) + remaining * t[:, -1]
        return land, remaining, depth


def draw_style(seed: int, number: int, size: int) -> Float[Tensor, "1 S"]:
    """Style `number` of a seed, from a standard normal distribution."""
    from maquette.randomness import Draws

    return Draws(seed, number, "style/").normal("style", 1, size)
