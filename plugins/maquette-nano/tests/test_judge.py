"""The judge of held-out pairs knows them: it names true objects that it was not trained on from all sides."""

from dataclasses import replace

import numpy as np

from maquette.bench.suites import load_suite
from maquette.metrics.base import Case
from maquette.metrics.r_precision import RPrecision
from maquette_nano import world
from maquette_nano.renders import DISTANCE, FOV_DEG


def test_the_judge_names_true_objects_of_held_out_pairs():
    metric = RPrecision(replace(load_suite("nano-text").metrics["r-precision"].config, scorer="nano-judge"))
    c2w = np.stack([world.orbit_c2w(90 * i, 15, DISTANCE) for i in range(4)])
    plain = [i for i in range(60) if world.sample_attributes(i, "test")[3] == "plain"]
    things = [world.sample_object(i, "test") for i in plain]
    found = []
    for thing in things:
        pictures = world.render(thing, c2w, FOV_DEG, 64).picture.over(0.85).numpy()
        labels = {"category": thing.category, "colour": thing.body}
        found.append(metric.judge(pictures, Case("", labels)).values["category+colour"])
    assert len(found) > 20 and np.mean(found) > 0.95
