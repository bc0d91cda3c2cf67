"""Mutations of files: the same ones for the same random numbers. Some know JSON, so that they reach what checks it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

_MOST_BYTES = 1 << 16
_TOKENS = (
    *(
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\r",
        b"\n",
        b'"',
        b"'",
        b",",
        b";",
        b"\t",
        b"{",
        b"[",
        b"}",
        b"]",
        b":",
        b"-",
    ),
    *(
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"-1e999",
        b"1e38",
        b"-9999",
        b"9" * 400,
        b"0x10",
        b"\xd9\xa3",
        b"NA",
        b"null",
    ),
    *(
        b"[" * 3000,
        b"{" * 3000,
        b'{"a":' * 2000,
        b"a" * 9000,
        b"\xf0\x9f\x98\x80",
        b"../../etc/passwd",
        b"*",
        b"&a",
        b"!!python/object:os.system",
    ),
    *(
        b"true",
        b"\x1f\x8b\x08",
        b"\xff" * 8,
        b"\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"2026-01-01",
        b"\xed\xa0\x80",
        b"<<: *a",
        b"1_000",
    ),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "x",
        "chief",
        "0",
        "-1",
        "1e3",
        "nan",
        "\0",
        "ü",
        "a" * 5000,
        "../..",
        "127.0.0.1:1",
        "[::1]:2",
        ":",
        "x:99999",
    ),
    *([], {}, [[]], [None], {"": ""}, {"a": {"a": {}}}, [0] * 300),
)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """A few mutations of a file."""
    if draw.random() < 0.4:
        data = _json(data, draw)
    for _ in range(draw.choice((1, 1, 1, 2, 4, 16))):
        data = draw.choice(_MUTATIONS)(data, draw)
    return data[:_MOST_BYTES]


def _json(data: bytes, draw: random.Random) -> bytes:
    """With a value replaced, dropped, doubled or renamed, where it is JSON; of lines of JSON one is changed."""
    lines = data.splitlines()
    number = draw.randrange(len(lines)) if lines else 0
    for text, rest in ((data, None), (lines[number] if lines else b"", number)):
        try:
            changed = json.dumps(_changed(json.loads(text), draw), allow_nan=True).encode()
        except (ValueError, RecursionError):
            continue
        if rest is None:
            return changed
        return b"\n".join([*lines[:number], changed, *lines[number + 1 :], b""])
    return data


def _changed(value: Any, draw: random.Random) -> Any:
    if draw.random() < 0.25 or not isinstance(value, dict | list) or not value:
        return draw.choice(_VALUES)
    if isinstance(value, list):
        at = draw.randrange(len(value))
        match draw.randrange(4):
            case 0:
                return [*value[:at], *value[at + 1 :]]
            case 1:
                return [*value, value[at]]
            case _:
                return [*value[:at], _changed(value[at], draw), *value[at + 1 :]]
    key = draw.choice(list(value))
    match draw.randrange(5):
        case 0:
            return {other: kept for other, kept in value.items() if other != key}
        case 1:
            return {**value, str(draw.choice(_VALUES)): value[key]}
        case _:
            return {**value, key: _changed(value[key], draw)}


def _flip(data: bytes, draw: random.Random) -> bytes:
    if not data:
        return data
    changed = bytearray(data)
    changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def _overwrite(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    token = draw.choice(_TOKENS)
    return data[:at] + token + data[at + len(token) :]


def _insert(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(_TOKENS) + data[at:]


def _cut(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data) + 1)]


def _range(data: bytes, draw: random.Random) -> tuple[int, int]:
    start = draw.randrange(len(data) + 1)
    return start, min(len(data), start + draw.choice((1, 2, 4, 8, 30, 200)))


def _drop(data: bytes, draw: random.Random) -> bytes:
    start, end = _range(data, draw)
    return data[:start] + data[end:]


def _double(data: bytes, draw: random.Random) -> bytes:
    start, end = _range(data, draw)
    return data[:end] + data[start:end] * draw.choice((1, 1, 50)) + data[end:]


def _zero(data: bytes, draw: random.Random) -> bytes:
    start, end = _range(data, draw)
    return data[:start] + bytes(end - start) + data[end:]


def _number(data: bytes, draw: random.Random) -> bytes:
    """With a digit that became another, which often still makes sense."""
    digits = [at for at, byte in enumerate(data[:_MOST_BYTES]) if 48 <= byte < 58]
    if not digits:
        return data
    at = draw.choice(digits)
    return data[:at] + draw.choice((b"0", b"9", b"-", b".", b"e", b"99999")) + data[at + 1 :]


def _lines(data: bytes, draw: random.Random) -> bytes:
    """With two lines that have changed places, or one that is there twice."""
    lines = data.split(b"\n")
    first, second = draw.randrange(len(lines)), draw.randrange(len(lines))
    lines[first], lines[second] = (
        (lines[second], lines[first]) if draw.random() < 0.5 else (lines[second], lines[second])
    )
    return b"\n".join(lines)


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flip,
    _overwrite,
    _insert,
    _cut,
    _drop,
    _double,
    _zero,
    _number,
    _lines,
)
