"""The contract of a matting."""

from __future__ import annotations

from abc import ABC, abstractmethod

from maquette.images.picture import Picture


class Matting(ABC):
    """A part of the kind `matting`: gives pictures of an object on some background their alpha."""

    @abstractmethod
    def __call__(self, picture: Picture) -> Picture:
        """The same B pictures with the object's coverage as alpha, and its straight colour.

        Raises:
            ConfigError: the object and its background cannot be told apart; with the remedy.
        """
