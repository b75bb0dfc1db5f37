"""Previews of a task are pictures in a folder, named by their steps."""

import numpy as np
from imageio.v3 import imread

from maquette.training.previews import write_preview
from maquette.training.task import Task


class Painted(Task):
    """Shows the same row of numbers at every step but the first."""

    def groups(self):
        return []

    def terms(self, moment):
        raise AssertionError("it is only looked at")

    def preview(self, step):
        return np.array([[[-1.0] * 3, [0.5] * 3, [2.0] * 3]]) if step else None


def test_previews_are_written_with_colours_cut_to_what_a_picture_holds(tmp_path):
    path = write_preview(Painted(), 12, tmp_path)
    assert path == tmp_path / "000012.png"
    assert imread(path)[0, :, 0].tolist() == [0, 128, 255]


def test_a_task_without_a_picture_writes_no_preview(tmp_path):
    assert write_preview(Painted(), 0, tmp_path) is None and not list(tmp_path.iterdir())
