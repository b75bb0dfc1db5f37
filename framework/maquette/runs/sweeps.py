"""Sweeps: a method with every combination of some values and prompts, in processes, resumable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from maquette.config.loading import load_method
from maquette.config.overrides import PROMPTS
from maquette.errors import ConfigError
from maquette.plugins.local import LocalParts, parts_words
from maquette.runs.jobs import Job, job_facts
from maquette.training.run_folder import slug

OPENING, CLOSING, QUOTES = "[{(", "]})", "\"'"
FOLDER = "sweeps"  # within the folder of outputs


@dataclass(frozen=True, eq=False)
class SweepJob(Job):
    """One combination of the values of a sweep."""

    values: Mapping[str, str]  # key -> text of each value that differs between the jobs

    @property
    def label(self) -> str:
        """The combination in words, e.g. "a red mug, seed 1"."""
        prompt = [self.values["prompt"]] if "prompt" in self.values else []
        others = (f"{key.rpartition('.')[2]} {text}" for key, text in self.values.items() if key != "prompt")
        return ", ".join([*prompt, *others]) or self.name


@dataclass(frozen=True)
class Sweep:
    """All runs of a sweep.

    Args:
        name: of its folder.
        root: its folder.
        method: name or file of the method.
        keys: the keys whose values differ between the jobs.
        jobs: in the order of the table.
    """

    name: str
    root: Path
    method: str
    keys: tuple[str, ...]
    jobs: tuple[SweepJob, ...]


def plan_sweep(
    method: str,
    words: Sequence[str],
    prompts: Sequence[str] = (),
    name: str = "",
    split: bool = True,
    prompts_name: str = "prompt",
    parts: Sequence[Path] = (),
) -> Sweep:
    """The jobs of a sweep: each combination of the prompts and of the values between commas.

    Nothing runs; every configuration is checked.

    Args:
        method: a method's name or YAML file.
        words: `key=value` words; `seed=0,1` gives two values. Commas within brackets and quotes, and those of prompts,
            are part of the value.
        prompts: prompts, each of which is run; none: the prompt among the words.
        name: of the sweep's folder; "": made of the method and the keys.
        split: whether commas separate values.
        prompts_name: what the prompts are called in the name that is made.
        parts: files and folders of local parts, beside those that the method names.

    Raises:
        ConfigError: a configuration is invalid, a value between commas is empty, or the prompt is given twice.
    """
    keys_of_words = [word.partition("=")[0].strip() for word in words]
    if prompts and "prompt" in keys_of_words:
        raise ConfigError("the prompt is given twice", key="prompt", hint="leave out prompt=..., or --prompts")
    choices = [[f"prompt={prompt}" for prompt in prompts]] if prompts else []
    choices += [_choices(word) if split else [word] for word in words]
    keys = [words_of_key[0].partition("=")[0].strip() for words_of_key in choices if len(words_of_key) > 1]
    for key in keys:  # of several values; of one value, the last word counts, as in a single run
        if keys_of_words.count(key) > 1:
            raise ConfigError("the key is given twice", key=key, hint="write all values in one word: seed=0,1,2")
    keys = list(dict.fromkeys(["prompt", *keys] if prompts else keys))
    words_of_keys = [prompts_name if key == "prompt" else key.rpartition(".")[2] for key in keys]
    name = slug(name or "-".join([Path(method).stem, *words_of_keys]))
    jobs = [_job(method, combination, keys, name, parts) for combination in product(*choices)]
    return Sweep(name, jobs[0].root, method, tuple(keys), tuple(jobs))


def split_commas(text: str) -> list[str]:
    """The texts between commas that stand outside of brackets and quotes.

    Example:
        >>> split_commas("0,1"), split_commas("[1, 2],[3]"), split_commas("'a,b'")
        (['0', '1'], ['[1, 2]', '[3]'], ["'a,b'"])
    """
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if letter == "," and not depth and not quote:
            parts.append("")
            continue
        parts[-1] += letter
        if quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES:
            quote = letter
        else:
            depth += (letter in OPENING) - (letter in CLOSING and depth > 0)
    return [part.strip() for part in parts]


def _choices(word: str) -> list[str]:
    key, equals, text = word.partition("=")
    if not equals or key.strip() == "output" or key.strip().rpartition(".")[2] in PROMPTS:
        return [word]
    texts = split_commas(text)
    if len(texts) > 1 and "" in texts:
        raise ConfigError(
            f"a value between the commas of {text!r} is empty", key=key.strip(), hint="quote what is one value"
        )  # fmt: skip
    return [f"{key}={one}" for one in dict.fromkeys(texts)]


def _job(method: str, words: Sequence[str], keys: Sequence[str], name: str, parts: Sequence[Path]) -> SweepJob:
    resolved = load_method(method, words, local=LocalParts(True, parts))  # the user names the method to run
    root = Path(resolved.method.output).expanduser() / FOLDER / name
    values = dict(_values(words, keys))
    subject = values.get("prompt", "")
    rest = " ".join(f"{key.rpartition('.')[2]} {text}" for key, text in values.items() if key != "prompt")
    folder = slug(" ".join(filter(None, [subject, rest])) or resolved.method.prompt or Path(method).stem)
    plain = [word for word in words if word.partition("=")[0].strip() != "output"]
    return SweepJob(folder, (method, *plain, *parts_words(parts)), *job_facts(resolved), root, values)


def _values(words: Sequence[str], keys: Sequence[str]) -> Iterator[tuple[str, str]]:
    for key in keys:
        yield key, next(word.partition("=")[2] for word in words if word.partition("=")[0].strip() == key)
