"""The JSON in an environment variable: parsed within bounds, its parts checked by their kind."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from trainer.job.cluster.tasks import ClusterError

_MOST_DIGITS = 9


def parsed(variable: str, text: str) -> Mapping[str, Any]:
    """The object that a variable holds.

    Args:
      variable: its name, for messages.
      text: its value.

    Raises:
      ClusterError: it is no JSON object, has a key twice, or a number of too many digits.
    """
    try:
        found = json.loads(
            text,
            object_pairs_hook=lambda pairs: _without_repeats(variable, pairs),
            parse_int=lambda digits: _bounded(variable, digits),
        )
    except json.JSONDecodeError as error:
        near = text[max(error.pos - 20, 0) : error.pos + 20]
        raise ClusterError(
            f"{variable} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}, near {near!r}",
            'JSON, such as {"cluster": {...}, "task": {...}}',
            "Check quotes and commas, or unset it to run locally",
        ) from error
    except RecursionError as error:
        raise ClusterError(f"{variable} is nested too deeply", None, "Unset it to run locally") from error
    return as_object(found, variable, nullable=False)


def as_object(value: object, path: str, *, nullable: bool = True) -> Mapping[str, Any]:
    """The value as an object; an empty one for null.

    Args:
      value: a part of the JSON.
      path: its place, for messages.
      nullable: whether null is accepted.

    Raises:
      ClusterError: it is something else.
    """
    if value is None and nullable:
        return {}
    if not isinstance(value, dict):
        raise ClusterError(f"{path} is {short(value)}", "a JSON object", "Put it in braces: {...}")
    return value


def as_integer(value: object, path: str) -> int:
    """The value as a whole number from 0 up, which may be written as a string, as Kubeflow does.

    Args:
      value: a part of the JSON.
      path: its place, for messages.

    Raises:
      ClusterError: it is something else.
    """
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    is_digits = isinstance(value, str) and is_count(value)
    if isinstance(value, bool) or not (is_whole or is_digits):
        raise ClusterError(f"{path} is {short(value)}", "a whole number from 0 up", "Correct it")
    number = int(value)  # type: ignore[call-overload]
    if not 0 <= number < 10**_MOST_DIGITS:
        do = "Count from 0" if number < 0 else "Correct it"
        raise ClusterError(f"{path} is {short(number)}", "a whole number from 0 up", do)
    return int(number)


def is_count(text: str) -> bool:
    """Whether a text is a whole number from 0 up, of up to nine digits and without zeros before it."""
    return re.fullmatch(rf"0|[1-9][0-9]{{0,{_MOST_DIGITS - 1}}}", text) is not None


def short(value: object) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"


def _bounded(variable: str, digits: str) -> int:
    if len(digits) > 2 * _MOST_DIGITS:
        got = f"{variable} has a number of {len(digits)} digits, {digits[:12]}…"
        raise ClusterError(got, f"whole numbers of up to {_MOST_DIGITS} digits", "Correct it")
    return int(digits)


def _without_repeats(variable: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            got = f"{variable} has the key {short(key)} twice in one object"
            raise ClusterError(got, "each key once", "Merge the two")
        found[key] = value
    return found
