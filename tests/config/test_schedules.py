"""Schedules."""

import math
import subprocess
import sys

import pytest

from maquette.config.parts import PartSpec, check, instances_within, plain
from maquette.config.schedules import Schedule
from maquette.errors import ConfigError
from maquette.losses.opacity import Opacity
from maquette.plugins.local import SOURCE, import_files, read_files
from maquette.registry import forget_declared


def test_a_number_is_constant():
    assert Schedule.parse(3)(99, 100) == 3.0


def test_points_are_joined_by_lines_and_clamped():
    schedule = Schedule.parse([[10, 1.0], [20, 3.0]])
    assert [schedule(step, 100) for step in (0, 10, 15, 20, 99)] == [1, 1, 2, 3, 3]


def test_percentages_count_from_the_stage_length():
    assert Schedule.parse([[0, 0.0], ["50%", 1.0]])(25, 100) == 0.5


@pytest.mark.parametrize(
    ("kind", "middle"), [("linear", 0.55), ("cosine", 0.55), ("exponential", 0.1**0.5), ("step", 1.0)]
)
def test_easings_meet_their_ends(kind, middle):
    schedule = Schedule.parse({"type": kind, "from": 1.0, "to": 0.1, "start": 0, "end": 100})
    assert schedule(0, 100) == pytest.approx(1.0) and schedule(100, 100) == pytest.approx(0.1)
    assert schedule(50, 100) == pytest.approx(middle)


@pytest.mark.parametrize(
    "bad",
    [
        "fast", True, None, [], [[0]], [[5, 1], [2, 1]], [["x%", 1]], [[0, float("nan")]], [[-1, 2]], {"from": 1},
        {"type": "sine", "from": 1, "to": 2}, {"from": 1, "to": 2, "by": 3},
        {"type": "exponential", "from": 0, "to": 1}, {"type": "exponential", "from": "a", "to": 1},
        [["100%", 1], [5, 2]], [[5, 1], ["0%", 2]], [[True, 1]],
    ],
)  # fmt: skip
def test_nonsense_is_refused(bad):
    with pytest.raises(ValueError):
        Schedule.parse(bad)


@pytest.mark.parametrize(
    "plain", [2.0, [[0, 1.0], [5, 2.0]], {"type": "cosine", "from": 1.0, "to": 0.0, "start": 0, "end": "50%"}]
)
def test_the_plain_form_reads_back(plain):
    assert Schedule.parse(Schedule.parse(plain).to_plain()) == Schedule.parse(plain)


def test_steps_and_percentages_are_in_order_in_the_stage_that_has_them():
    mixed = Schedule.parse([[0, 0.0], [100, 1.0], ["10%", 0.5]])
    mixed.check_order(1001)
    with pytest.raises(ValueError, match=r"of 1000 steps 10% does not come after 100; give both in steps"):
        mixed.check_order(1000)
    Schedule.parse([[0, 1.0], [5000, 0.5]]).check_order(2)  # a short run of a long schedule


def test_a_stage_whose_steps_put_a_schedule_out_of_order_is_refused_by_key():
    from maquette.config import load_method
    from maquette.errors import ConfigError

    rate = "stages.nerf.learning_rates.default=[[0, 0.1], [50, 0.1], ['10%', 0.01]]"
    load_method("dreamfusion", ["prompt=x", rate])
    with pytest.raises(ConfigError, match=r"^stages\.nerf\.learning_rates\.default: .* of 400 steps 10% .*override"):
        load_method("dreamfusion", ["prompt=x", rate, "stages.nerf.steps=400"])


@pytest.mark.parametrize("shape", ["linear", "cosine", "exponential", "step"])
def test_linear_cosine_exponential_and_step_give_the_bits_that_one_formula_gave(shape):
    def before(x: float, low: float = 1.7, high: float = 0.3) -> float:
        x = (1 - math.cos(math.pi * x)) / 2 if shape == "cosine" else x
        return {"exponential": low * (high / low) ** x, "step": low}.get(shape, low + (high - low) * x)

    schedule = Schedule.parse({"type": shape, "from": 1.7, "to": 0.3, "start": 3, "end": 40})
    assert [schedule(step, 100) for step in range(3, 40)] == [before((step - 3) / 37) for step in range(3, 40)]


def test_the_type_of_a_schedule_is_resolved_without_torch():
    words = "import sys; from maquette.config.schedules import Schedule; "
    words += "Schedule.parse({'type': 'cosine', 'from': 1, 'to': 0})(3, 9); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


POWER = """
from dataclasses import dataclass
from maquette.annotations import Positive
from maquette.config.schedules.base import ScheduleShape
from maquette.registry import register


@register("schedule", "power")
class Power(ScheduleShape):
    \"\"\"A power of the progress.\"\"\"

    @dataclass(frozen=True)
    class Config:
        exponent: Positive = 2.0  # above 1: slow at first

    def __init__(self, config):
        self.config = config

    def __call__(self, progress):
        return progress ** self.config.exponent
"""


def weight(value):
    return check(Opacity.Config, {"weight": value}, "losses.opacity", lambda key: None).weight


@pytest.fixture
def power(tmp_path):
    file = tmp_path / "power.py"
    file.write_text(POWER)
    import_files(read_files([file]))
    yield
    forget_declared(lambda declared: declared.source != SOURCE)


def test_a_local_part_is_the_shape_of_a_schedule(power):
    schedule = weight({"type": "power", "from": 1.0, "to": 0.0, "end": 10, "exponent": 3})
    assert schedule(5, 100) == 1 - 0.5**3
    assert Schedule.parse(schedule.to_plain()) == schedule
    assert plain(schedule) == {"type": "power", "from": 1.0, "to": 0.0, "start": 0, "end": 10, "exponent": 3.0}
    assert [spec.name for _, spec in instances_within({"weight": schedule}, PartSpec)] == ["power"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"exponent": -1}, r"losses.opacity.weight.exponent: must be above 0"),
        ({"exponents": 2}, r"losses.opacity.weight: unknown schedule key 'exponents'; known: .*end, exponent;"),
        ({"type": "powre"}, r"losses.opacity.weight: unknown schedule type 'powre'; did you mean 'power'\?"),
    ],
)
def test_wrong_settings_of_a_shape_are_named(power, wrong, message):
    with pytest.raises(ConfigError, match=message):
        weight({"type": "power", "from": 1.0, "to": 0.0, **wrong})
