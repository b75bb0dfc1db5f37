"""Landscapes as maps seen from above: heights, classes of ground, trees; made from a seed or painted by a user."""

from maquette.landscapes.world import Landscape, World, WorldConfig

__all__ = ["Landscape", "World", "WorldConfig"]
