"""Parts are timed on the host, and on the GPU where one is in use."""

import torch

from maquette.training.timings import Timings


class Event:
    """Comes to pass at once, five milliseconds after the one before it."""

    count = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        Event.count += 1
        self.at = 5.0 * Event.count

    def query(self) -> bool:
        return True

    def elapsed_time(self, end: "Event") -> float:
        return end.at - self.at


def test_without_a_gpu_there_are_wall_and_cpu_seconds():
    timings = Timings()
    with timings.measure("render"):
        pass
    if not torch.cuda.is_initialized():
        assert set(timings.to_dict()["render"]) == {"wall_seconds", "cpu_seconds"}


def test_on_a_gpu_a_part_takes_what_its_work_takes_there(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    timings = Timings()
    for _ in range(2):
        with timings.measure("render"):
            pass
    assert timings.to_dict()["render"]["gpu_seconds"] == 0.01


def test_times_of_a_resumed_run_are_added_to_those_before():
    earlier = {"render": {"wall_seconds": 2.0, "cpu_seconds": 3.0}, "report": {"wall_seconds": 1.0, "cpu_seconds": 1.0}}
    timings = Timings(earlier)
    assert timings.to_dict() == earlier
    with timings.measure("render"):
        pass
    assert timings.to_dict()["render"]["wall_seconds"] >= 2.0
    assert timings.to_dict()["report"] == earlier["report"]
