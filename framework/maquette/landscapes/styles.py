"""Styles that are drawn: where a generator's styles of photographs lie, as a normal distribution."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from maquette.files import atomic_path
from maquette.landscapes.generator import Generator, draw_style
from maquette.weights.loading import weights_source
from maquette.weights.tensor_files import read_tensors

STYLES = "styles.safetensors"  # file in a folder of weights


@dataclass(frozen=True)
class StyleDistribution:
    """A normal distribution of styles.

    The styles that an encoder reads of photographs need not fill the standard normal distribution that its divergence
    pulls them to; a style drawn from that may look like no photograph.

    Attributes:
        mean: of the styles.
        spread: symmetric square root of their covariance.
    """

    mean: Float[Tensor, " S"]
    spread: Float[Tensor, "S S"]

    @classmethod
    def standard(cls, size: int) -> StyleDistribution:
        """The standard normal distribution of `size` numbers."""
        return cls(torch.zeros(size), torch.eye(size))

    @classmethod
    def of(cls, styles: Float[Tensor, "n S"]) -> StyleDistribution:
        """The distribution with the mean and the covariance of some styles.

        Example:
            >>> StyleDistribution.of(torch.tensor([[0.0, 1.0], [2.0, 1.0]])).mean
            tensor([1., 1.])
        """
        mean = styles.double().mean(dim=0)
        centred = styles.double() - mean
        values, axes = torch.linalg.eigh(centred.mT @ centred / max(len(styles) - 1, 1))
        spread = axes @ torch.diag(values.clamp(min=0).sqrt()) @ axes.mT
        return cls(mean.float(), spread.float())

    @classmethod
    @torch.no_grad()
    def of_pictures(cls, generator: Generator, pictures: Float[Tensor, "n 3 H W"]) -> StyleDistribution:
        """That of the styles which a generator reads of pictures in [0, 1]."""
        return cls.of(generator.style_encoder(pictures)[0])

    @classmethod
    def load(cls, path: str, size: int) -> StyleDistribution:
        """What a folder of weights says of its styles; the standard normal distribution if it says nothing.

        Args:
            path: the name of weights that a plugin carries, a folder, or a file.
            size: numbers of a style.
        """
        file = Path(weights_source(path)) / STYLES
        if not file.is_file():
            return cls.standard(size)
        tensors = read_tensors(file, "weights")
        return cls(tensors["mean"], tensors["spread"])

    def save(self, folder: Path) -> None:
        """Write `styles.safetensors` into a folder of weights."""
        from safetensors.torch import save_file

        with atomic_path(folder / STYLES) as place:
            save_file({"mean": self.mean.contiguous(), "spread": self.spread.contiguous()}, place)

    def draw(self, number: int) -> Float[Tensor, "1 S"]:
        """Style `number`; the same for every landscape."""
        return self.mean + draw_style(0, number, len(self.mean)) @ self.spread
