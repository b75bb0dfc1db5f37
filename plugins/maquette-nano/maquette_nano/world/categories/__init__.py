"""The categories of the nano world: each a function that builds one object from random proportions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from maquette_nano.world.builder import Builder
from maquette_nano.world.categories import creatures, household, vehicles


@dataclass(frozen=True)
class Category:
    """Builder function of a category, and the caption word for its part in the detail colour."""

    build: Callable[[Builder, Generator], None]
    detail: str


CATEGORIES: dict[str, Category] = {
    "mug": Category(household.mug, "handle"),
    "teapot": Category(household.teapot, "lid"),
    "chair": Category(household.chair, "legs"),
    "lamp": Category(household.lamp, "foot"),
    "house": Category(household.house, "roof"),
    "clock": Category(household.clock, "hands"),
    "camera": Category(household.camera, "lens"),
    "mushroom": Category(household.mushroom, "stem"),
    "tree": Category(household.tree, "fruits"),
    "car": Category(vehicles.car, "roof"),
    "train": Category(vehicles.train, "cabin"),
    "plane": Category(vehicles.plane, "wings"),
    "boat": Category(vehicles.boat, "sail"),
    "rocket": Category(vehicles.rocket, "fins"),
    "robot": Category(creatures.robot, "arms"),
    "snowman": Category(creatures.snowman, "hat"),
    "cat": Category(creatures.cat, "paws"),
    "dog": Category(creatures.dog, "ears"),
    "duck": Category(creatures.duck, "beak"),
    "fish": Category(creatures.fish, "fins"),
}
