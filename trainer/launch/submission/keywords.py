"""Arguments of a Python call as the words of a command line, so that both are read and checked by the same code."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence


def argv(flags: Mapping[str, object]) -> list[str]:
    """`--name=value` of each flag that is not None.

    Args:
      flags: values by name, as `trainer.launch.submit` takes them.
    """
    return [f"--{name}={_text(value)}" for name, value in flags.items() if value is not None]


def _text(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case enum.Enum():
            return str(value.value)
        case Mapping():
            return ",".join(_part(f"{key}={_text(inner)}") for key, inner in value.items())
        case Sequence() if not isinstance(value, str):
            return ",".join(_text(entry) for entry in value)
        case _:
            return str(value)


def _part(text: str) -> str:
    """A pair; in double quotes where its value has commas or more of `=`, as the command line wants it."""
    return f'"{text}"' if "," in text or text.count("=") > 1 else text
