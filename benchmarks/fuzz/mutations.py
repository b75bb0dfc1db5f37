"""Changes of bytes, lines and JSON trees, such as damage and careless programs make."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fuzz.case import Case

NUMBERS = (0, -1, 1, 2, 255, 65535, 2**31, 2**32 - 1, 2**63, 10**400, 0.5, -0.0, 1e-320, 1e30, 1e308, float("nan"), float("inf"))  # fmt: skip  # noqa: E501
WORDS = (
    "", " ", "a", "\0", "\ud800", "nan", "-1", "1e999", "9" * 400, "SCALAR", "VEC4", "OPENCV", "images/00.png", ".",
    "a" * 5000,
)  # fmt: skip
OUTSIDE = (
    "../outside/secret.png", "../outside/secret.mtl", "../outside/secret.bin", "../outside/secret.json", "..", "/",
    "/etc/hostname", "/dev/zero", "file:///etc/hostname", "http://127.0.0.1:9/a.png", "//127.0.0.1/a.png",
    "..\\outside\\secret.png", "%2e%2e/outside/secret.png", "~/a.png", "$HOME/a.png",
)  # fmt: skip
"""Paths to which no file may lead a reader."""
LINES = (
    "", "#", "nan nan nan", "0 0 0", "-1", "1e999 0 0", "f 0 0 0", "f 1 2 99999999", "f 1//1 2/2/ 3", "v 1 2",
    "vt nan 0",
    "mtllib ../outside/secret.mtl", "map_Kd ../outside/secret.png", "usemtl \\", "element vertex 4000000000",
    "element face -1", "property list uchar int x", "end_header", "format binary_big_endian 1.0", "OFF",
    "endsolid", "1 OPENCV 8 6 nan 1 1 1", "9" * 20, "&a [*a]", "? :", "stages: {nerf: }", "prior: ${prior}", "\ufeff",
    "!!python/x y",
)  # fmt: skip
PATTERNS = (
    b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"nan ", b"1e99", b" -1 ", b"\r\n", b"\xef\xbb\xbf",
    *(struct.pack("<d", value) for value in (float("nan"), float("inf"), 1e300, -1.0)),
)  # fmt: skip
LINKED = ("obj", "gltf", "colmap-text", "colmap-binary", "transforms", "cameras")
"""Loaders of folders out of which no link leads; a link from a prior or a run is its owner's."""


def mutate(case: Case, rng: random.Random, others: list[Case]) -> Case:
    """A broken relative of a case: one of its files is damaged, taken out, exchanged or made a link."""
    files, links = dict(case.files), dict(case.links)
    name, action = rng.choice(sorted(files)), rng.random()
    if action < 0.04 and len(files) > 1:
        del files[name]
    elif action < 0.08:
        files[name] = rng.choice(sorted(rng.choice(others).files.items()))[1]
    elif action < 0.10 and case.loader in LINKED and name != case.target:
        links[name] = rng.choice(OUTSIDE)
    else:
        files[name] = mutate_content(files[name], rng)
    return replace(case, files=files, links=links, expected={})


def mutate_content(content: bytes, rng: random.Random) -> bytes:
    """Damage a file: as a JSON tree or by lines if it is one, or by bytes."""
    start, form = (20, "<12xI4x") if content.startswith(b"glTF") else (8, "<Q")  # .glb and .safetensors
    if content[:1] in b"{[":
        start, end = 0, len(content)
    else:
        end = start + struct.unpack_from(form, content)[0] if len(content) > start else 0
    if rng.random() < 0.7 and start < end <= len(content):
        try:
            tree = json.loads(content[start:end])
        except ValueError:
            tree = None
        if isinstance(tree, (dict, list)):
            text = json.dumps(mutate_tree(tree, rng)).encode(errors="surrogatepass")
            text += b" " * (-len(text) % 8)
            heads = {0: b"", 8: struct.pack("<Q", len(text)), 20: content[:12] + struct.pack("<I", len(text)) + b"JSON"}
            return heads[start] + text + content[end:]
    text_like = content and b"\0" not in content
    return mutate_lines(content, rng) if text_like and rng.random() < 0.6 else mutate_bytes(content, rng)


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Bytes with some exchanged, left out, put in or cut off."""
    for _ in range(rng.choice((1, 1, 2, 8)) if content else 0):
        place = rng.randrange(len(content) + 1) if rng.random() < 0.7 else rng.randrange(min(len(content) + 1, 200))
        pattern = rng.choice(PATTERNS)
        gone, put = rng.choice((
            (1, rng.randbytes(1)), (1, rng.randbytes(1)), (rng.choice((1, 4, 100)), b""), (0, rng.randbytes(4)),
            (len(content), b""), (len(pattern), pattern),
        ))  # fmt: skip
        content = content[:place] + put + content[place + gone :]
    return content


def mutate_lines(content: bytes, rng: random.Random) -> bytes:
    """Text with lines exchanged, doubled or left out, or words in them replaced."""
    lines = content.split(b"\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(lines))
        line, words = lines[place], lines[place].split(b" ")
        words[rng.randrange(len(words))] = str(rng.choice((*NUMBERS, *WORDS, *OUTSIDE))).encode(errors="surrogatepass")
        changed = b" ".join(words)
        lines[place : place + 1] = rng.choice((
            [], [rng.choice(LINES).encode(), line], [rng.choice(lines), line], [line[: rng.randrange(len(line) + 1)]],
            [changed], [changed],
        )) or [b""][len(lines) > 1 :]  # fmt: skip
    return b"\n".join(lines)


def mutate_tree(tree: Any, rng: random.Random) -> Any:
    """A JSON tree with values exchanged or left out."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 2, 4))):
        places = list(_places(tree))
        if not places:
            return rng.choice((None, [], {}, 0, ""))
        shallow = [place for place in places if place[2] <= 2]
        holder, key, _ = rng.choice(shallow if rng.random() < 0.3 else places)
        action = rng.random()
        if action < 0.15:
            del holder[key]
        elif action < 0.35:
            holder[key] = copy.deepcopy(rng.choice(places)[0])
        else:
            values = (*NUMBERS, *WORDS, *OUTSIDE, None, True, [], {}, [[]], {"a": 1}, [1, 2])
            alike = NUMBERS if isinstance(holder[key], (int, float)) else (*WORDS, *OUTSIDE)
            holder[key] = copy.deepcopy(rng.choice(alike if rng.random() < 0.6 else values))
    return tree


def _places(tree: Any, depth: int = 0) -> Iterator[tuple[Any, Any, int]]:
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key, depth
        yield from _places(tree[key], depth + 1)
