"""Values of flags and their texts, by the types of settings: `parse` and `text_of` are each other's inverse."""

from __future__ import annotations

import enum
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any

from trainer.job import spelling

TRUE = {"true", "t", "yes", "y", "1"}
FALSE = {"false", "f", "no", "n", "0"}
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|\Z)', re.DOTALL)


def required(hint: Any) -> Any:
    """T of `T | None`, else the type itself."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        if len(kinds) == 1:
            return kinds[0]
    return hint


def parse(text: str, hint: Any) -> Any:
    """What `text` says as a `hint`. Raises ValueError whose message says what is accepted."""
    kind = required(hint)
    is_tuple = typing.get_origin(kind) is tuple
    if kind is not hint and _says_none(text, kind, is_tuple):
        return None
    if is_tuple:
        return tuple(parse(item, typing.get_args(kind)[0]) for item in _items(text))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _member(text, kind)
    scalars: dict[Any, Callable[[str], Any]] = {str: str, bool: _boolean, int: _integer, float: _number}
    if kind not in scalars:
        raise TypeError(f"a field of type {hint} cannot be a flag")
    return scalars[kind](text)


def _says_none(text: str, kind: Any, is_tuple: bool) -> bool:
    """An empty text is None, but for a tuple; so is the word, but for a str."""
    return (text == "" and not is_tuple) or (text.lower() == "none" and kind is not str)


def choices(hint: Any) -> list[str]:
    """The values of an Enum, or of a tuple of it; none for other types."""
    kind = required(hint)
    item = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
    if isinstance(item, type) and issubclass(item, enum.Enum):
        return [str(member.value) for member in item]
    return []


def _items(text: str) -> list[str]:
    """The parts between commas, without empty ones, unless in quotes."""
    items = []
    for match in _ITEM.finditer(text):
        quoted, plain = match.groups()
        if quoted is not None:
            items.append(quoted.replace('""', '"'))
        elif plain:
            items.append(plain)
    return items


def _member(text: str, kind: type[enum.Enum]) -> enum.Enum:
    by_name = {spelling.normal(str(member.value)).lower(): member for member in kind}
    wanted = spelling.normal(text).lower()
    if wanted in by_name:
        return by_name[wanted]
    match = spelling.nearest(text, by_name)
    meant = f"; did you mean {by_name[match].value}?" if match else ""
    raise ValueError(", ".join(str(member.value) for member in kind) + meant)


def _boolean(text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError("true or false")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise ValueError("a whole number, such as 128 or 128.0")
    return int(number)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        percent = "; write 70% as 0.7" if text.strip().endswith("%") else ""
        raise ValueError(f"a finite number, such as 0.01 or 1e-2{percent}")
    return number


def text_of(value: Any, hint: Any) -> str:
    """The inverse of `_value`."""
    kind = required(hint)
    if value is None:
        return "" if kind is str else "none"
    if isinstance(value, tuple):
        item_hint = typing.get_args(kind)[0]
        return ",".join(_quoted(text_of(item, item_hint)) for item in value)
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    return repr(float(value)).removesuffix(".0") if kind is float else str(value)


def _quoted(item: str) -> str:
    if item == item.strip() and item.lower() not in ("", "none") and not {",", '"'} & set(item):
        return item
    escaped = item.replace('"', '""')
    return f'"{escaped}"'
