"""`tf.contrib.training.HParams`: named values that text and JSON can change."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


class HParams:
    """Named values as attributes, each of the type that it began with.

    Args:
      kwargs: the values.
    """

    def __init__(self, **kwargs: Any) -> None:
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds one.

        Raises:
          ValueError: there is one of that name.
        """
        if hasattr(self, name):
            raise ValueError(
                f"HParams was given {name} again. It has the value {getattr(self, name)!r}. Use set_hparam"
            )
        setattr(self, name, value)

    def set_hparam(self, name: str, value: Any) -> None:
        """Changes one.

        Raises:
          ValueError: there is none, or the value is of another type.
        """
        if name not in self:
            raise ValueError(f"HParams has no {name}. It has {', '.join(sorted(self.values()))}. Add it first")
        setattr(self, name, _as(getattr(self, name), value, name))

    def del_hparam(self, name: str) -> None:
        """Removes one, if it is there."""
        self.__dict__.pop(name, None)

    def get(self, key: str, default: Any = None) -> Any:
        """The value, or the default where there is none."""
        return self.values().get(key, default)

    def values(self) -> dict[str, Any]:
        """All of them, by name."""
        return dict(vars(self))

    def parse(self, values: str) -> HParams:
        """Changes those that a text names: `rate=0.1,layers=[4,2],name=abc`."""
        pieces: list[str] = []
        for piece in values.split(","):
            open_list = bool(pieces) and pieces[-1].count("[") > pieces[-1].count("]")
            if open_list:
                pieces[-1] += f",{piece}"
            else:
                pieces.append(piece)
        for piece in filter(None, map(str.strip, pieces)):
            name, equals, text = piece.partition("=")
            if not equals:
                raise ValueError(f"HParams was given {piece!r}. It takes name=value. Put a comma between two of them")
            self.set_hparam(name.strip(), _read(text.strip()))
        return self

    def override_from_dict(self, values_dict: Mapping[str, Any]) -> HParams:
        """Changes those that a dict names."""
        for name, value in values_dict.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values_json: str) -> HParams:
        """Changes those that a JSON object names."""
        return self.override_from_dict(json.loads(values_json))

    def to_json(self, **settings: Any) -> str:
        """All of them, as a JSON object."""
        return json.dumps(self.values(), **settings)

    def __contains__(self, key: object) -> bool:
        return key in vars(self)

    def __repr__(self) -> str:
        return f"HParams({', '.join(f'{name}={value!r}' for name, value in sorted(self.values().items()))})"


def _read(text: str) -> Any:
    """A number, a truth value, a list of such, or else the text."""
    if text.startswith("[") and text.endswith("]"):
        return [_read(part.strip()) for part in text[1:-1].split(",") if part.strip()]
    if text in ("true", "True", "false", "False"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _as(old: Any, new: Any, name: str) -> Any:
    """A new value in the type of the old one."""
    if old is None or new is None or isinstance(new, type(old)):
        return new
    if isinstance(old, bool) and new in (0, 1):
        return bool(new)
    if isinstance(old, float) and isinstance(new, int):
        return float(new)
    if isinstance(old, list | tuple):
        return type(old)(new if isinstance(new, list | tuple) else [new])
    if isinstance(old, str):
        return str(new)
    raise ValueError(f"HParams was given {name}={new!r}. It takes {type(old).__name__}, as {old!r} is")
