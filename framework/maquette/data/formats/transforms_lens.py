"""The lens of a frame of `transforms.json`."""

from __future__ import annotations

import math
from collections import ChainMap
from pathlib import Path
from typing import Any

from maquette.data.formats.parsing import parse_typed
from maquette.errors import ConfigError
from maquette.files import display_path
from maquette.images.lenses import MODELS, Lens
from maquette.images.resampling import Pinhole

DISTORTION = ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
FISHEYES = ("OPENCV_FISHEYE", "FISHEYE")
LENS_KEYS = {
    "camera_angle_x", "camera_angle_y", "fl_x", "fl_y", "cx", "cy", "w", "h", "camera_model", "is_fisheye", *DISTORTION,
}  # fmt: skip
AGREEMENT = 0.02  # relative difference of two focal lengths beyond which they say different things
NAMES = {"PERSPECTIVE": "OPENCV", "BROWN": "OPENCV"}


class FrameLens:
    """Intrinsics of one frame; its own keys override those of the file.

    Args:
        entry: of the frame, without nulls.
        shared: of the file, likewise.
        key: of the frame, for messages.
        path: of the file.
    """

    def __init__(self, entry: dict[str, Any], shared: dict[str, Any], key: str, path: Path) -> None:
        self._entry, self._both, self._key, self._path = entry, ChainMap(entry, shared), key, path

    def where(self, name: str) -> str:
        """The dotted key of a value."""
        return f"{self._key}.{name}" if name in self._entry else name

    def size(self) -> tuple[int, int] | None:
        """Width and height as the file has them; None where it has not both."""
        width, height = (self._number(name, 0.0) for name in ("w", "h"))
        return (int(width), int(height)) if width > 0 and height > 0 else None

    def lens(self, size: tuple[int, int]) -> Lens:
        """The lens, for a picture of this width and height.

        Raises:
            ConfigError: there is no angle of view, or a model that is not known.
        """
        width, height = size
        for name, length in (("w", width), ("h", height)):
            if self._number(name, length) not in (length, 0):
                self._refuse(name, f"the picture is {width} x {height}, not {self._both[name]}")
        focal_x, focal_y = self._focals(width, height)
        center_x, center_y = self._number("cx", width / 2), self._number("cy", height / 2)
        return Lens(Pinhole(focal_x, focal_y, center_x, center_y, width, height), *self._distortion())

    def warnings(self) -> list[str]:
        """What is odd about the lens."""
        angle, width = self._number("camera_angle_x", 0.0), self._number("w", 0.0)
        sentences = []
        if angle > math.pi:
            sentences.append(f"camera_angle_x is {angle:g}, and read as degrees: radians are less than 3.14")
            angle = math.radians(angle)
        focal = self._number("fl_x", 0.0)
        if focal > 0 and width > 0 and 0 < angle < math.pi:
            other = width / 2 / math.tan(angle / 2)
            if abs(other / focal - 1) > AGREEMENT:
                sentences.append(f"fl_x is {focal:g} and camera_angle_x says {other:.4g}; fl_x is used")
        return sentences

    def _focals(self, width: int, height: int) -> tuple[float, float]:
        focal_x = self._number("fl_x", 0.0) or self._focal("camera_angle_x", width)
        focal_y = self._number("fl_y", 0.0)
        if not focal_y and "fl_x" not in self._both:
            focal_y = self._focal("camera_angle_y", height)
        if not focal_x and ("fl_x" in self._both or not focal_y):
            zeros = [name for name in ("fl_x", "camera_angle_x") if name in self._both]
            raise ConfigError(
                f"{' and '.join(zeros)} is 0" if zeros else "there is no angle of view",
                key=self.where(zeros[0]) if zeros else self._key, file=display_path(self._path),
                hint="give camera_angle_x or fl_x",
            )  # fmt: skip
        return focal_x or focal_y, focal_y or focal_x

    def _focal(self, name: str, length: int) -> float:
        """Focal length in pixels of an angle; 0 where there is none."""
        angle = self._number(name, 0.0)
        if angle > math.pi:
            angle = math.radians(angle)
        if not 0 <= angle < math.pi:
            self._refuse(name, f"{self._both[name]} is no angle of view")
        return length / 2 / math.tan(angle / 2) if angle else 0.0

    def _distortion(self) -> tuple[str, tuple[float, ...]]:
        """COLMAP's name of the model, and its parameters."""
        name = str(self._both.get("camera_model", "OPENCV_FISHEYE" if self._both.get("is_fisheye") else "OPENCV"))
        model = NAMES.get(name.upper(), name.upper())
        values = {name: self._number(name, 0.0) for name in DISTORTION}
        if self._both.get("is_fisheye") and model in ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE"):
            model = "OPENCV_FISHEYE"
        if model in FISHEYES:
            return "OPENCV_FISHEYE", tuple(values[f"k{i}"] for i in range(1, 5))
        if model == "FULL_OPENCV" or values["k5"] or values["k6"]:
            return "FULL_OPENCV", tuple(values[name] for name in MODELS["FULL_OPENCV"].names)
        if model in ("OPENCV", "RADIAL", "SIMPLE_RADIAL", "PINHOLE", "SIMPLE_PINHOLE"):
            if not any(values.values()):
                return "PINHOLE", ()
            return "OPENCV", tuple(values[name] for name in ("k1", "k2", "p1", "p2", "k3", "k4"))
        if model in ("SIMPLE_RADIAL_FISHEYE", "RADIAL_FISHEYE"):
            return "OPENCV_FISHEYE", (values["k1"], values["k2"], 0.0, 0.0)
        raise ConfigError(
            f"cameras of the model {name!r} are not read", key=self.where("camera_model"),
            file=display_path(self._path), hint="give perspective or fisheye pictures: OPENCV, OPENCV_FISHEYE, ...",
        )  # fmt: skip

    def _number(self, name: str, default: float) -> float:
        value = parse_typed(float, self._both.get(name, default), self.where(name), self._path)
        if not math.isfinite(value):
            self._refuse(name, f"{value} is not finite")
        return value

    def _refuse(self, name: str, message: str) -> None:
        raise ConfigError(message, key=self.where(name), file=display_path(self._path))
