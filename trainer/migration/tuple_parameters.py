"""Lambdas of Python 2 that take a tuple apart among their parameters, as Python 3 has them.

`lambda (key, value), n: key * n` is `lambda key_value, n: (lambda key, value: key * n)(*key_value)`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainer.migration.tokens import NO_CODE, Token, change_of_depth, is_one_group, joined, split, tokens


def taken_apart(program: list[Token]) -> list[Token]:
    """The tokens of a program with such lambdas rewritten, from the innermost on."""
    for at in reversed([index for index, token in enumerate(program) if token.text == "lambda"]):
        in_brackets = sum(change_of_depth(token) for token in program[:at]) > 0
        colon = _end(program, at + 1, in_brackets, (":",))
        if colon is not None and any(map(_tuple, split(program[at + 1 : colon]))):
            end = _end(program, colon + 1, in_brackets, (",", ":", ";", "for")) or len(program)
            program = [*program[:at], *_lambda(program[at + 1 : colon], program[colon + 1 : end]), *program[end:]]
    return program


def _lambda(parameters: list[Token], body: list[Token]) -> list[Token]:
    """A lambda, from what stands before its colon and what stands behind it."""
    whole = len(body) - next((n for n, token in enumerate(reversed(body)) if token.kind not in NO_CODE), 0)
    parts = split(parameters)
    names = ["_".join(re.findall(r"\w+", joined(part))) if _tuple(part) else joined(part) for part in parts]
    taken = [(name, _tuple(part)) for name, part in zip(names, parts, strict=True) if _tuple(part)]
    inner = tokens(f" lambda {', '.join(text for _, text in taken)}:")
    text = "".join(token.text for token in taken_apart([*inner, *body[:whole]])).strip()
    call = f"({text})({', '.join(f'*{name}' for name, _ in taken)})"
    return [*tokens(f"lambda {', '.join(names)}: {call}"), *body[whole:]]


def _tuple(parameter: list[Token]) -> str:
    """What stands between the brackets of a parameter that is a tuple; empty for another one."""
    code = [token for token in parameter if token.kind not in NO_CODE]
    return joined(code[1:-1]).rstrip(",").replace(",", ", ") if code and is_one_group(code) else ""


def _end(program: Sequence[Token], start: int, in_brackets: bool, ends: Sequence[str]) -> int | None:
    """Where an expression that begins at `start` ends: at one of `ends`, a bracket not its own, or its line's end.

    Args:
      program: its tokens.
      start: a place among them.
      in_brackets: whether a bracket is open there, so that lines go on.
      ends: what cannot be in the expression, but for what is in brackets, and the colons of lambdas.
    """
    depth = lambdas = 0
    for index in range(start, len(program)):
        token = program[index]
        lambdas += token.text == "lambda"
        if depth == 0 and token.text == ":" and lambdas:
            lambdas -= 1
        elif depth == 0 and (token.text in ends or (token.kind == "newline" and not in_brackets)):
            return index
        depth += change_of_depth(token)
        if depth < 0:
            return index
    return None
