"""The categories of the nano world: each a function that builds one object from random proportions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from numpy.random import Generator

from maquette_nano.world.builder import Builder
from maquette_nano.world.categories import creatures, things, vehicles


@dataclass(frozen=True)
class Category:
    """How to build a category, and what a caption calls its part in the detail colour."""

    build: Callable[[Builder, Generator], None]
    detail: str


CATEGORIES: dict[str, Category] = {
    "mug": Category(things.mug, "handle"),
    "teapot": Category(things.teapot, "lid"),
    "chair": Category(things.chair, "legs"),
    "lamp": Category(things.lamp, "foot"),
    "house": Category(things.house, "roof"),
    "clock": Category(things.clock, "hands"),
    "camera": Category(things.camera, "lens"),
    "mushroom": Category(things.mushroom, "stem"),
    "tree": Category(things.tree, "fruits"),
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
