"""Base classes of losses: of a rendering (`Loss`), of a rendering and its target (`Comparison`), and `Probe`."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from maquette.cameras.base import Cameras
from maquette.config.capabilities import DATA, RENDERED_NORMAL, Capabilities
from maquette.config.schedules import Schedule
from maquette.data.base import Target
from maquette.errors import PluginError
from maquette.objectives.terms import Terms
from maquette.priors.base import Request
from maquette.randomness import Draws
from maquette.renderers.base import Rendering

Term = Tensor | Terms
"""What a loss returns: a scalar; or terms, with values to log."""


class WeightedLoss(ABC):
    """A loss term that the stage multiplies by the `weight` schedule of its Config.

    Parts of the kind `loss` derive from `Loss`, `Comparison` or `Probe`.

    Args:
        config: an instance of the class's Config.
    """

    def __init__(self, config: Any) -> None:
        self.config = config

    @property
    def weight(self) -> Schedule:
        """What the term is multiplied by, as the Config says."""
        return self.config.weight  # type: ignore[no-any-return]

    @property
    def reads_normals(self) -> bool:
        """Whether rendered normals are among what the loss reads."""
        return RENDERED_NORMAL in self.capabilities(self.config).needs

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        """Entries of the rendering, the geometry, the target or the data that the loss reads."""
        return Capabilities()

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Term:
        """The unweighted term, a scalar; or `Terms`: several of them by name, and numbers for the log."""

    @classmethod
    def lacks(cls) -> list[str]:
        """What a subclass lacks to be registered, in addition to abstract methods."""
        config = getattr(cls, "Config", None)
        settings = [field.name for field in dataclasses.fields(config)] if dataclasses.is_dataclass(config) else []
        return [] if "weight" in settings else ["Config.weight, a Schedule"]


class Loss(WeightedLoss):
    """A regulariser of a rendering, or of the geometry itself."""

    def prepare(self, request: Request) -> None:
        """Called once, before the first step, with prompts and reference images."""

    @abstractmethod
    def __call__(self, rendering: Rendering, geometry: Any) -> Term:
        """The unweighted term, a scalar."""


class Comparison(WeightedLoss):
    """A reconstruction loss between a rendering and its target image, mask, depth or normals."""

    @classmethod
    def capabilities(cls, config: Any) -> Capabilities:
        return Capabilities().needing(DATA)

    @abstractmethod
    def __call__(self, rendering: Rendering, target: Target) -> Term:
        """The unweighted term, a scalar; rendering and target have the same cameras."""


@dataclass(frozen=True)
class RenderContext:
    """What a `Probe` needs to render or query the scene once more.

    Args:
        cameras: cameras of the rendering.
        geometry: geometry of the scene.
        render: renders the scene from other cameras, without normals, with the same light, background and random
            numbers.
        draws: random numbers of this loss.
    """

    cameras: Cameras
    geometry: Any
    render: Callable[[Cameras], Rendering]
    draws: Draws


class Probe(WeightedLoss):
    """A regulariser that renders or queries the scene once more, at cameras or points near those of a rendering."""

    @abstractmethod
    def __call__(self, rendering: Rendering, context: RenderContext) -> Term:
        """The unweighted term, a scalar."""


def as_terms(name: str, value: Term) -> Terms:
    """What a loss returned as terms under its name: those of `Terms` are called `name/...`.

    Raises:
        PluginError: it is no scalar tensor and no `Terms`.

    Example:
        >>> as_terms("smooth", Terms({"edges": torch.tensor(2.0)}, {"longest": 0.5})).values()
        {'loss/smooth/edges': 2.0, 'smooth/longest': 0.5}
    """
    if isinstance(value, Terms):
        terms = Terms()
        terms.add(value, prefix=f"{name}/")
        return terms
    if not isinstance(value, Tensor) or value.numel() != 1:
        shape = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise PluginError(f"loss {name!r} returned {shape}; a loss returns a scalar tensor, or Terms")
    return Terms({name: value if value.ndim == 0 else value.reshape(())})


def differentiable_zero(tensor: Tensor) -> Tensor:
    """A zero with a gradient of zero to `tensor`: the value of a loss over no samples."""
    return tensor.sum() * 0
