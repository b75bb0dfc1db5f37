"""Examples of parts: a short method file with the part's options, which runs as it stands.

An example extends a method that ships and has a place for the part; HOSTS says which. What depends on weights and
recipes stands in the files of `configs/examples`, to which a plugin adds its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from maquette.config import paths
from maquette.config.descriptions import Option, describe_part
from maquette.config.keys import WORDS, compose_method
from maquette.config.origins import dump_flow, load_yaml

HOSTS: dict[str, tuple[str, str]] = {
    "cameras": ("dreamfusion", "stages.nerf.cameras"),
    "geometry": ("dreamfusion", "stages.nerf.geometry"),
    "densification": ("dreamgaussian", "stages.gaussians.geometry.densification"),
    "material": ("dreamfusion", "stages.nerf.material"),
    "background": ("dreamfusion", "stages.nerf.background"),
    "renderer": ("dreamfusion", "stages.nerf.renderer"),
    "prior": ("dreamfusion", "prior"),
    "score": ("dreamfusion", "stages.nerf.guidance.sds.score"),
    "schedule": ("dreamfusion", "stages.nerf.losses.opacity.weight"),
    "noise": ("dreamfusion", "prior.noise"),
    "timesteps": ("dreamfusion", "stages.nerf.guidance.sds.objective.timesteps"),
    "objective": ("dreamfusion", "stages.nerf.guidance.sds.objective"),
    "loss": ("dreamfusion", "stages.nerf.losses.{name}"),
    "data": ("zero123", "stages.nerf.data"),
    "generator": ("instant", "stages.shape.start"),
    "matting": ("instant", "stages.views.matting"),
    "callback": ("dreamfusion", "stages.nerf.loop.callbacks.{name}"),
    "stop": ("dreamfusion", "stages.nerf.loop.stop.{name}"),
    "stereo": ("deep3d", "stereo"),
    "stage": ("dreamfusion", "stages.{name}"),
    "exporter": ("dreamfusion", "stages.export.exporters.{name}"),
    "metric": ("suite", "metrics.{name}"),
    "truth": ("suite", "cases.0.truth"),
}
"""Kind -> method that examples of its parts extend, and the key of the part there."""

PLACES: dict[str, tuple[str, str]] = {
    "cameras/fixed": ("zero123", "stages.nerf.cameras"),
    "geometry/dmtet": ("magic3d", "stages.fine.geometry"),
    "geometry/flexicubes": ("magic3d", "stages.fine.geometry"),
    "geometry/mesh": ("magic3d", "stages.fine.geometry"),
    "geometry/sdf-voxels": ("magic3d", "stages.fine.geometry"),
    "geometry/gaussians": ("dreamgaussian", "stages.gaussians.geometry"),
    "material/latent": ("latent-nerf", "stages.latent.material"),
    "material/pbr": ("fantasia3d", "stages.appearance.material"),
    "renderer/mesh": ("magic3d", "stages.fine.renderer"),
    "renderer/splat": ("dreamgaussian", "stages.gaussians.renderer"),
    "prior/zero123": ("zero123", "prior"),
    "prior/mvdream": ("mvdream", "prior"),
    "prior/instruct-pix2pix": ("instructnerf2nerf", "prior"),
    "prior/zero123plus": ("instant-image", "prior"),
    "score/cfg-two": ("instructnerf2nerf", "stages.scene.guidance.edit.score"),
    "objective/dataset-update": ("instructnerf2nerf", "stages.scene.guidance.edit.objective"),
    "loss/curvature": ("textmesh", "stages.sdf.losses.curvature"),
    "loss/eikonal": ("textmesh", "stages.sdf.losses.eikonal"),
    "loss/total-variation": ("sjc", "stages.voxels.losses.total-variation"),
    "loss/laplacian": ("magic3d", "stages.fine.losses.laplacian"),
    "loss/normal-consistency": ("magic3d", "stages.fine.losses.normal-consistency"),
    "loss/sdf-sign": ("magic3d", "stages.fine.losses.sdf-sign"),
    "loss/flexicubes-deviation": ("magic3d", "stages.fine.losses.flexicubes-deviation"),
    "loss/splat-opacity": ("dreamgaussian", "stages.gaussians.losses.splat-opacity"),
    "loss/splat-scale": ("dreamgaussian", "stages.gaussians.losses.splat-scale"),
    **{
        f"loss/{name}": ("zero123", f"stages.nerf.losses.{name}")
        for name in ("rgb", "mask", "dssim", "lpips", "depth", "normal", "normal-l1", "perceptual", "clip-similarity")
    },
    "data/posed-images": ("fit-multiview", "stages.fit.data"),
    "data/sampled-views": ("instant", "stages.fit.data"),
    "stage/optimise": ("dreamfusion", "stages.nerf"),
    "stage/sample": ("instant", "stages.views"),
    "stage/reconstruct": ("instant", "stages.shape"),
    "stage/train": ("textual-inversion", "stages.word"),
    "stage/evaluate": ("fit-multiview", "stages.evaluate"),
    "stage/stereo": ("deep3d", "stages.stereo"),
    "stage/flight": ("scenedreamer", "stages.flight"),
}
"""Parts that need another place than HOSTS says."""

ONE_OF: dict[str, str] = {"deep3d": "image"}
"""Method that needs one of several keys, none of which it requires by itself -> the key that an example gives."""

ENDS = {"schedule": ("from: 1.0", "to: 0.1")}
"""Kind -> lines that every part of it has where it stands, besides its options."""


def facts_of_examples() -> dict[str, dict[str, Any]]:
    """What the files in `configs/examples` say, by key: those of plugins come before the project's own."""
    facts: dict[str, dict[str, Any]] = {"places": {}, "values": {}, "beside": {}, "training_data": {}}
    for path in paths.available("examples").values():
        for key, entries in load_yaml(path)[0].items():
            facts[key] = facts.get(key, {}) | (entries or {})
    return facts


@dataclass(frozen=True)
class Example:
    """An example of a part.

    Args:
        text: of the file, in YAML.
        command: that runs it.
        folder: of configs that the file belongs to: "methods", "training" or "suites".
    """

    text: str
    command: str
    folder: str


def example(kind: str, name: str) -> Example:
    """An example of a part.

    Raises:
        UnknownPartError: there is no such part; the message lists the nearest and all names.
    """
    part, facts = f"{kind}/{name}", facts_of_examples()
    places = PLACES | HOSTS | facts["places"]
    host, key = places.get(part) or _recipe(kind, name) or places[kind]
    body = _body(kind, name, key.format(name=name), facts["values"].get(part) or _settings_of_prior(kind, name))
    if host == "suite":
        return Example(_suite(kind, name, body), "maquette bench run mine.yaml", "suites")
    tree: dict[str, Any] = {}
    _merge(tree, _nested(key.format(name=name).split("."), body))
    _merge(tree, facts["beside"].get(part, {}))
    folder = "training" if host in paths.available("training") else "methods"
    command = {"training": "maquette train mine.yaml", "methods": "maquette run mine.yaml"}[folder]
    needed = [*compose_method(host, folder).required, *filter(None, [ONE_OF.get(host)])]
    words = [f"{word}={WORDS.get(word, '...')}" for word in needed]
    text = "\n".join([f"extends: {host}", *_lines(tree, 0)])
    return Example(f"{text}\n", " ".join([command, *words]), folder)


def _recipe(kind: str, name: str) -> tuple[str, str] | None:
    """The recipe that trains a learner, or with a dataset, and the key of it there."""
    if kind not in ("learner", "dataset"):
        return None
    for recipe, path in paths.available("training").items():
        for stage, settings in (load_yaml(path)[0].get("stages") or {}).items():
            if _type_of(settings.get(kind)) == name:
                return recipe, f"stages.{stage}.{kind}"
    return None


def _type_of(value: Any) -> str:
    return value if isinstance(value, str) else str((value or {}).get("type", ""))


@dataclass(frozen=True)
class _Body:
    """A part in an example: its name, and its options with their values and documentation."""

    name: str
    lines: list[str]
    typed: bool


def _body(kind: str, name: str, key: str, own: Mapping[str, Any]) -> _Body:
    options = [option for option in describe_part(kind, name).options if not option.required or option.name in own]
    lines = [*ENDS.get(kind, ()), *_options(options, own)]
    return _Body(name, lines, typed=not (key.endswith(f".{name}") and kind != "stage"))


def _settings_of_prior(kind: str, name: str) -> Mapping[str, Any]:
    """Those of the first file of `configs/priors` that has the prior; none for parts of other kinds."""
    if kind == "prior":
        for path in paths.available("priors").values():
            settings = load_yaml(path)[0].get("prior") or {}
            if settings.get("type") == name:
                return settings
    return {}


def _options(options: list[Option] | tuple[Option, ...], own: Mapping[str, Any]) -> list[str]:
    """One line for each option that has a value, with its documentation; nested ones below their key."""
    lines: list[str] = []
    for option in options:
        value = own.get(option.name, option.default)
        if value in (None, "", {}, []):
            continue
        comment = f"  # {option.doc}" if option.doc else ""
        if option.options and isinstance(value, dict) and not option.several:
            inner = [f"  {line}" for line in _options(option.options, value)]
            lines += [f"{option.name}:{comment}", *inner] if inner else []
        else:
            lines.append(f"{option.name}: {dump_flow(_short(option, value))}{comment}")
    return lines


def _short(option: Option, value: Any) -> Any:
    """A part without the settings that it has by itself."""
    if option.several and option.part and isinstance(value, dict):
        return {name: _without_defaults(option.part, item) for name, item in value.items()}
    return _without_defaults(option.part, value) if option.part and isinstance(value, dict) else value


def _without_defaults(kind: str, value: dict[str, Any]) -> Any:
    defaults = {option.name: option.default for option in describe_part(kind, value["type"]).options}
    settings = {name: item for name, item in value.items() if name == "type" or defaults.get(name) != item}
    return value["type"] if len(settings) == 1 else settings


def _nested(words: list[str], body: Any) -> dict[str, Any]:
    return {words[0]: _nested(words[1:], body) if words[1:] else body}


def _merge(base: dict[str, Any], top: Mapping[str, Any]) -> None:
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = dict(value) if isinstance(value, Mapping) else value


def _lines(tree: Mapping[str, Any], indent: int) -> Iterator[str]:
    for key, value in tree.items():
        start = f"{' ' * indent}{key}:"
        if isinstance(value, _Body):
            yield from (
                (start, *(f"{' ' * indent}  {line}" for line in _typed(value))) if _typed(value) else (f"{start} {{}}",)
            )
        elif isinstance(value, dict) and value:
            yield start
            yield from _lines(value, indent + 2)
        else:
            yield f"{start} {dump_flow(value)}"


def _typed(body: _Body) -> list[str]:
    return [f"type: {body.name}", *body.lines] if body.typed else body.lines


def _suite(kind: str, name: str, body: _Body) -> str:
    lines = ["name: mine", "method: instant"]
    truth = (
        [f"    truth: {{type: {name}}}"] if not body.lines else ["    truth:", *(f"      {x}" for x in _typed(body))]
    )
    lines += ["cases:", "  - prompt: a red mug", *(truth if kind == "truth" else [])]
    metric: dict[str, Any] = {name: body} if kind == "metric" else {"mesh-health": {}}
    return "\n".join([*lines, *_lines({"metrics": metric}, 0)]) + "\n"
