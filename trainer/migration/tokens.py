"""The tokens of Python 2, for what is rewritten before a file can be read as a tree."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

_TOKEN = re.compile(
    r"""(?P<string>(?:[uUbB]?[rR]?|[rR][bB])(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}
            |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
      |(?P<comment>\#[^\n]*)
      |(?P<space>(?:[ \t\f\r]|\\\r?\n)+)
      |(?P<newline>\n)
      |(?P<number>(?:\d|\.\d)[\w.]*)
      |(?P<name>[^\W\d]\w*)
      |(?P<operator>\*\*|<>|>>|==|!=|<=|>=|.)""",
    re.VERBOSE | re.DOTALL,
)
_OPEN, _CLOSE = "([{", ")]}"
NO_CODE = ("space", "comment", "newline")


@dataclasses.dataclass
class Token:
    """A piece of the text; all of them joined are the text."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """The tokens of a text."""
    return [Token(match.lastgroup or "", match.group()) for match in _TOKEN.finditer(text)]


def change_of_depth(token: Token) -> int:
    """By how many brackets what follows a token lies deeper than it."""
    if token.kind != "operator":
        return 0
    return (token.text in _OPEN) - (token.text in _CLOSE)


def split(tokens: Sequence[Token]) -> list[list[Token]]:
    """The parts between commas outside brackets."""
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += change_of_depth(token)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def is_one_group(tokens: Sequence[Token]) -> bool:
    """Whether one pair of brackets holds them all."""
    depths, depth = [], 0
    for token in tokens:
        depth += change_of_depth(token)
        depths.append(depth)
    return tokens[0].text == "(" and 0 not in depths[:-1] and depth == 0


def joined(tokens: Sequence[Token]) -> str:
    """Their text, without the space around it."""
    return "".join(token.text for token in tokens).strip()
