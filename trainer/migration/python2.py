"""Syntax of Python 2 as that of Python 3: a file that only Python 2 parses, made one that can be read as a tree."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Sequence

from trainer.migration.tokens import NO_CODE, Token, change_of_depth, is_one_group, joined, split, tokens
from trainer.migration.tuple_parameters import taken_apart

_COMPOUND = {"if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class"}


def syntax_error(text: str) -> SyntaxError | None:
    """Why this Python does not parse `text`; None where it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        return error
    except ValueError as error:  # a byte that is zero
        return SyntaxError(str(error))
    return None


def modernized(text: str) -> str:
    """The text with `print` as a function, `except … as`, `raise` of an instance, lambdas that take no tuple
    apart, and numbers as Python 3 has them.

    What is no more than a matter of syntax is written anew; lines and comments stay where they are.
    """
    read = tokens(text)
    is_function = re.search(r"^from __future__ import .*\bprint_function\b", text, re.MULTILINE) is not None
    _rename(read)
    parts: list[str] = []
    for statement in _statements(taken_apart(read)):
        parts += [token.text for token in _rewritten(statement, is_function)]
    return _evenly_indented("".join(parts))


def _rename(tokens: Sequence[Token]) -> None:
    """Writes tokens that Python 3 spells otherwise."""
    opened = False
    for token in tokens:
        match token.kind:
            case "number":
                token.text = re.sub(r"^0(?=[0-7]+$)", "0o", re.sub(r"[lL]$", "", token.text))
                token.text = re.sub(r"^0o0*$", "0", token.text)
            case "string":
                token.text = re.sub(r"^[uU](?=[rR])", "", token.text)
            case "operator" if token.text == "<>":
                token.text = "!="
            case "operator" if token.text == "`":
                token.kind, token.text, opened = "name", (")" if opened else "repr("), not opened


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Runs of tokens: simple statements and headers of compound ones, with what stands between them."""
    current: list[Token] = []
    depth = 0
    for token in tokens:
        first = next((each.text for each in current if each.kind not in NO_CODE), token.text)
        depth += change_of_depth(token)
        current.append(token)
        is_end = token.kind == "newline" or token.text == ";" or (token.text == ":" and first in _COMPOUND)
        if is_end and depth == 0 and not _is_in_lambda(current):
            yield current
            current = []
    yield current


def _is_in_lambda(tokens: Sequence[Token]) -> bool:
    """Whether the colon that ends `tokens` is that of a lambda in a header."""
    if tokens[-1].text != ":":
        return False
    lambdas = sum(token.text == "lambda" for token in tokens)
    return lambdas >= sum(token.text == ":" for token in tokens)


def _rewritten(statement: list[Token], print_is_function: bool) -> list[Token]:
    """The statement as Python 3 has it."""
    code = [index for index, token in enumerate(statement) if token.kind not in NO_CODE]
    if not code:
        return statement
    last = code[-1] + (statement[code[-1]].text != ";")
    head, body, tail = statement[: code[0]], statement[code[0] : last], statement[last:]
    match body[0].text:
        case "print" if not print_is_function:
            return [*head, *_printed(body), *tail]
        case "except":
            return [*head, *_named_exception(body), *tail]
        case "raise":
            return [*head, *_raised(body), *tail]
        case "exec":
            return [*head, *_executed(body), *tail]
    return statement


def _printed(body: list[Token]) -> list[Token]:
    """`print a, b` as `print(a, b)`, `print >>f, a` as `print(a, file=f)`, `print a,` as `print(a, end=" ")`."""
    arguments = _stripped(body[1:])
    if arguments and (arguments[0].text in ("=", ".", ",") or is_one_group(arguments)):
        return body
    parts = split(arguments)
    named = []
    if arguments and arguments[0].text == ">>":
        named.append("file=" + joined(parts.pop(0)[1:]))
    if len(parts) > 1 and not joined(parts[-1]):
        parts.pop()
        named.append('end=" "')
    return _call("print", [*(joined(part) for part in parts if joined(part)), *named])


def _named_exception(body: list[Token]) -> list[Token]:
    parts = split(body)
    return body if len(parts) != 2 else [*parts[0], Token("name", " as"), *parts[1]]


def _raised(body: list[Token]) -> list[Token]:
    parts = split(body)
    if len(parts) == 1:
        return body
    raised = f"{joined(parts[0])}({joined(parts[1])})"
    return [Token("name", raised + (f".with_traceback({joined(parts[2])})" if len(parts) > 2 else ""))]


def _executed(body: list[Token]) -> list[Token]:
    arguments = _stripped(body[1:])
    if not arguments or is_one_group(arguments):
        return body
    code, _, names = joined(arguments).partition(" in ")
    return _call("exec", [code, names] if names else [code])


def _call(function: str, arguments: Sequence[str]) -> list[Token]:
    return [Token("name", f"{function}({', '.join(arguments)})")]


def _stripped(tokens: list[Token]) -> list[Token]:
    start = next((index for index, token in enumerate(tokens) if token.kind != "space"), len(tokens))
    return tokens[start:]


def _evenly_indented(text: str) -> str:
    """Tabs at the start of lines as the spaces that Python 2 took them for, where they are mixed with spaces."""
    if not isinstance(syntax_error(text), TabError):
        return text
    indents = re.compile(r"^[ \t]+", re.MULTILINE)
    return indents.sub(lambda match: match.group().expandtabs(8), text)
