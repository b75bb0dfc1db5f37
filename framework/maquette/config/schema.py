"""The top level of a method file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from maquette.annotations import InputPath, NumberOrPath, OutputPath, Seed
from maquette.config.parts import StageSpec


@dataclass(frozen=True)
class LoggerConfig:
    """The logger that receives metrics besides the run folder."""

    type: Literal["none", "wandb", "tensorboard", "csv"] = "none"
    project: str = "maquette"  # of W&B
    mode: Literal["online", "offline", "disabled"] = (
        "offline"  # of W&B; offline: files in the run folder, to sync later
    )
    name: str = ""  # of the W&B run; "": that of the run folder
    tags: list[str] = field(default_factory=list)  # of the W&B run
    group: str = ""  # of W&B runs that belong together


WITHOUT_EFFECT = ("output", "groups", "summary", "logger")
"""Top-level keys that change no result."""


@dataclass(frozen=True)
class MethodConfig:
    """One method: its stages in order, and the settings that they share."""

    stages: dict[str, StageSpec]  # run one after the other
    name: str = "method"  # names the run folder
    summary: str = ""  # one line for `maquette list methods`
    prompt: str = ""  # text prompt of the object
    negative_prompt: str = ""  # negative text prompt
    image: InputPath | None = None  # path of the reference image
    mask: InputPath = ""  # path of a mask of the reference image, white where the object is; "": its alpha channel
    data: InputPath | None = None  # folder of posed images
    dataset: InputPath | None = None  # folder of what a training recipe learns from
    video: InputPath | None = None  # path of a film
    heightmap: InputPath | None = None  # path of a grey PNG of a landscape's heights
    labels: InputPath | None = None  # path of a PNG of a landscape's classes, in their colours
    style: NumberOrPath | None = None  # number of a drawn style, or path of a picture whose style is read
    path: NumberOrPath | None = None  # number of a drawn path of a camera, or path of a file of points
    seed: Seed = 0  # keys every random draw
    output: OutputPath = "outputs"  # folder that holds the run folders
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    prior: Any = None  # shared by stages through ${prior}
    stereo: Any = None  # shared by stages through ${stereo}
    landscape: Any = None  # shared by stages through ${landscape}
    variables: dict[str, Any] = field(default_factory=dict)  # numbers that several keys use through ${variables.x}
    plugins: list[str] = field(default_factory=list)  # Python files with parts, beside the method
    groups: dict[str, str] = field(default_factory=dict)  # group -> merged group file, recorded by the run

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a method needs at least one stage under 'stages'")
        for name in self.stages:
            if not re.fullmatch(r"\w[\w -]*", name):  # it names folders, and a part of dotted keys
                raise ValueError(f"a stage's name is made of letters, digits, '-' and '_', unlike {name!r}")
