"""Making a failing input smaller while it fails in the same way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from fuzz.case import Case

LARGEST = 1 << 16  # bytes of a file that is shrunk


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float) -> Case:
    """Leave out files, words, lines and bytes, greedily, as long as time is left."""
    end = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(case):
            if time.monotonic() > end:
                return case
            if fails(smaller):
                case, progress = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    for name in case.files:
        if name != case.target:
            yield replace(case, files={key: value for key, value in case.files.items() if key != name})
    words = case.words or ()
    for index in range(len(words)):
        yield replace(case, words=words[:index] + words[index + 1 :])
    for name, content in case.files.items():
        if len(content) <= LARGEST:
            yield from (replace(case, files={**case.files, name: shorter}) for shorter in _shorter(content))


def _shorter(content: bytes) -> Iterator[bytes]:
    """The content without a half, a quarter ... of it; by lines where it has some."""
    lines = content.splitlines(keepends=True) if b"\0" not in content else []
    pieces = lines if len(lines) > 1 else [content[i : i + 1] for i in range(len(content))]
    size = len(pieces) // 2
    while size and size * 64 >= len(pieces):
        for start in range(0, len(pieces), size):
            yield b"".join(pieces[:start] + pieces[start + size :])
        size //= 2
