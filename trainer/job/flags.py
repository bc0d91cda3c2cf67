"""Settings as flags: dataclasses ⇄ absl flags ⇄ argv.

Every field of a settings class is a flag of its name, typed by its annotation: str, int, float, bool, an Enum (by
value), `tuple[T, ...]` of those (comma separated, an item that holds a comma in double quotes), `T | None` (`none`).
A field with metadata `{"flag": False}` is none; `{"help": ..., "alias": (...)}` describe the others.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import math
import re
import shutil
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from absl import flags as absl_flags
from absl import logging as absl_logging

from trainer.job import spelling
from trainer.job.errors import UsageError

_Settings = TypeVar("_Settings")

_TRUE = {"true", "t", "yes", "y", "1"}
_FALSE = {"false", "f", "no", "n", "0"}
_ITEM = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*(?:,|\Z)', re.DOTALL)
_HELP = {"help", "h", "?", "helpshort", "helpfull"}


class HelpRequested(Exception):  # noqa: N818  (it is no error)
    """Somebody asked for --help; the message is the text to print."""


class Settings:
    """One checked instance of each settings class: `settings[ForecastData]`."""

    def __init__(self, instances: Iterable[Any]) -> None:
        self._by_class = {type(instance): instance for instance in instances}

    def __getitem__(self, settings_class: type[_Settings]) -> _Settings:
        return typing.cast(_Settings, self._by_class[settings_class])


def parse(argv: Sequence[str], *settings_classes: type) -> Settings:
    """Builds the settings that `argv` (without the program's name) asks for.

    Of a flag that is given twice the last counts. absl's own logging flags (-v, --alsologtostderr) take effect at once.

    Raises:
      HelpRequested: on --help.
      UsageError: on an unknown flag, a stray word, a value of the wrong type, or settings that refuse their values.
    """
    fields = _flag_fields(settings_classes)
    values = _absl_values(fields)
    try:
        expanded = values.read_flags_from_files(list(argv), force_gnu=True)
    except absl_flags.Error as error:
        raise UsageError(f"--flagfile: {error}", None, "Name a file of flags, one a line") from error
    canonical = _canonical(expanded, fields, values, functools.partial(help_text, *settings_classes))
    try:
        values(["task", *canonical])
    except absl_flags.Error as error:
        raise UsageError(str(error)) from error
    given = {name: values[name].value for name in fields if values[name].present}
    return Settings(_built(settings_class, given) for settings_class in settings_classes)


def to_argv(*settings: Any) -> list[str]:
    """The flags that differ from their defaults, so that `parse(to_argv(a, b), A, B)` gives `a` and `b` again."""
    found: dict[str, str] = {}
    for instance in settings:
        hints = _hints(type(instance))
        for field in _fields(type(instance)):
            value = getattr(instance, field.name)
            if value != field.default:
                found[field.name] = f"--{field.name}={_text(value, hints[field.name])}"
    return list(found.values())


def value_of(name: str, text: str, hint: Any) -> Any:
    """The value that `--name=text` gives a field.

    Args:
      name: of the flag.
      text: as on the command line.
      hint: the type of the field.

    Raises:
      UsageError: the text is not a value of that type.
    """
    return _Parser(name, hint).parse(text)


def help_text(*settings_classes: type, width: int | None = None) -> str:
    """All flags with types, defaults and help, a group for each class."""
    width = width or min(shutil.get_terminal_size((110, 24)).columns, 120)
    parts = ["Usage: python -m trainer.task [--flag=value ...]", "Dashes and underscores are the same in names."]
    for settings_class in settings_classes:
        title = (settings_class.__doc__ or settings_class.__name__).strip().splitlines()[0]
        parts += ["", title]
        for field in _fields(settings_class):
            parts += _help_entry(field, _hints(settings_class)[field.name], width)
    parts += ["", "Logging:", "  -v, --verbosity             -1 warnings only, 0 progress too, 1 everything"]
    parts += ["", "More: --flagfile=FILE reads flags from a file, one a line."]
    return "\n".join(parts) + "\n"


@dataclasses.dataclass(frozen=True)
class _FlagField:
    """A field together with its resolved type."""

    field: dataclasses.Field[Any]
    hint: Any

    @property
    def is_bool(self) -> bool:
        return _required(self.hint) is bool

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(self.field.metadata.get("alias", ()))


class _Parser(absl_flags.ArgumentParser):
    """absl's parser of one flag, by the field's type."""

    def __init__(self, name: str, hint: Any) -> None:
        self._name, self._hint = name, hint
        self.choices = _choices(hint)

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        try:
            return _value(argument, self._hint)
        except ValueError as error:
            raise UsageError(f"--{self._name}={_short(argument)}", str(error), "Change the value") from None


def _fields(settings_class: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(settings_class) if field.metadata.get("flag", True)]


def _hints(settings_class: type) -> dict[str, Any]:
    return typing.get_type_hints(settings_class)


def _flag_fields(settings_classes: Sequence[type]) -> dict[str, _FlagField]:
    """Every flag by name. Classes may share a name, which then sets the field of each, if its type is the same."""
    found: dict[str, _FlagField] = {}
    for settings_class in settings_classes:
        for field in _fields(settings_class):
            entry = _FlagField(field, _hints(settings_class)[field.name])
            if field.name in found and found[field.name].hint != entry.hint:
                raise TypeError(f"{settings_class.__name__}.{field.name} is {entry.hint}; another class differs")
            found.setdefault(field.name, entry)
    return found


def _absl_values(fields: Mapping[str, _FlagField]) -> absl_flags.FlagValues:
    values = absl_flags.FlagValues()
    for name, entry in fields.items():
        parser = _Parser(name, entry.hint)
        values[name] = absl_flags.Flag(parser, None, name, None, "", boolean=entry.is_bool)
    for flag in absl_flags.FLAGS.get_flags_for_module(absl_logging):
        if flag.name not in fields:
            values[flag.name] = flag
    return values


def _canonical(
    argv: Sequence[str],
    fields: Mapping[str, _FlagField],
    values: absl_flags.FlagValues,
    describe: Callable[[], str],
) -> list[str]:
    """`--name=value` for each flag of argv, under its own name; the last of several, unless two aliases disagree."""
    aliases = {alias: name for name, entry in fields.items() for alias in entry.aliases}
    given: dict[str, tuple[str, str]] = {}
    tokens = list(argv)
    while tokens:
        token = tokens.pop(0)
        if token == "--":
            continue
        spelled, negated, value = _split(token, values, aliases, describe)
        name = aliases.get(spelled, spelled)
        if value is None:
            value = "false" if negated else _following(name, token, tokens, values, aliases)
        first_spelling, first_value = given.get(name, (spelled, value))
        if first_spelling != spelled and first_value != value:
            raise UsageError(
                f"--{first_spelling}={first_value} beside --{spelled}={value}",
                "one of the two, which name the same flag",
                "Drop one of them",
            )
        given[name] = (spelled, value)
    return [f"--{name}={value}" for name, (_, value) in given.items()]


def _split(
    token: str, values: absl_flags.FlagValues, aliases: Mapping[str, str], describe: Callable[[], str]
) -> tuple[str, bool, str | None]:
    """The name, whether it was `--noname`, and the value (None where it is in the next word)."""
    if not token.startswith("-") or token.strip("-") == "":
        raise _stray(token, values, aliases)
    raw, equals, text = token.lstrip("-").partition("=")
    name = _normal(raw)
    if name in _HELP and not equals:
        raise HelpRequested(describe())
    value = text if equals else None
    if name in values or name in aliases:
        return name, False, value
    positive = re.sub(r"^no_?", "", name)
    if positive in values and values[positive].boolean and value is None:
        return positive, True, None
    raise _unknown(raw, name, text if equals else None, [*values, *aliases])


def _following(
    name: str, token: str, tokens: list[str], values: absl_flags.FlagValues, aliases: Mapping[str, str]
) -> str:
    """The value of a flag without `=`: the next word, taken from `tokens`; a switch alone is true."""
    following = tokens[0] if tokens else None
    if values[name].boolean:
        says = following is not None and following.lower() in _TRUE | _FALSE
        return tokens.pop(0) if says else "true"
    is_flag = following is not None and following.startswith("-")
    if following is None or (is_flag and _is_name(following, [*values, *aliases])):
        raise UsageError(f"{token} has no value", f"{token}=VALUE", "Add the value, or drop the flag")
    return tokens.pop(0)


def _is_name(token: str, known: Sequence[str]) -> bool:
    return _normal(token.lstrip("-").partition("=")[0]) in known


def _unknown(raw: str, name: str, value: str | None, known: Sequence[str]) -> UsageError:
    tail = f"={value}" if value is not None else ""
    match = spelling.nearest(name, known)
    do = f"Did you mean --{match}{tail}?" if match else "See --help for all flags"
    return UsageError(f"Unknown flag --{raw}", None, do)


def _stray(word: str, values: absl_flags.FlagValues, aliases: Mapping[str, str]) -> UsageError:
    bare = word.lstrip("-–—−")
    name, equals, value = bare.partition("=")
    match = spelling.nearest(name, [*values, *aliases]) if bare else None
    takers = [name for name in values if bare and _takes(values[name].parser, bare)]
    if takers:
        do = f"Did you mean --{takers[0]}={bare}?"
    elif match:
        do = f"Did you mean --{match}{equals}{value}?"
    else:
        do = "Write --name=value without spaces around the =, and quote a value that holds spaces or globs"
    return UsageError(f"Unexpected argument {word!r}", "flags only, as --name=value", do)


def _takes(parser: object, word: str) -> bool:
    """Whether the flag names its values and `word` is one of them."""
    return isinstance(parser, _Parser) and word in parser.choices


def _normal(name: str) -> str:
    return name.strip().replace("-", "_")


def _required(hint: Any) -> Any:
    """T of `T | None`, else the type itself."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        if len(kinds) == 1:
            return kinds[0]
    return hint


def _value(text: str, hint: Any) -> Any:
    """What `text` says as a `hint`. Raises ValueError whose message says what is accepted."""
    kind = _required(hint)
    is_tuple = typing.get_origin(kind) is tuple
    if kind is not hint and _says_none(text, kind, is_tuple):
        return None
    if is_tuple:
        return tuple(_value(item, typing.get_args(kind)[0]) for item in _items(text))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _member(text, kind)
    scalars: dict[Any, Callable[[str], Any]] = {str: str, bool: _boolean, int: _integer, float: _number}
    if kind not in scalars:
        raise TypeError(f"a field of type {hint} cannot be a flag")
    return scalars[kind](text)


def _says_none(text: str, kind: Any, is_tuple: bool) -> bool:
    """An empty text is None, but for a tuple; so is the word, but for a str."""
    return (text == "" and not is_tuple) or (text.lower() == "none" and kind is not str)


def _choices(hint: Any) -> list[str]:
    """The values of an Enum, or of a tuple of it; none for other types."""
    kind = _required(hint)
    item = typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind
    if isinstance(item, type) and issubclass(item, enum.Enum):
        return [str(member.value) for member in item]
    return []


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:40]}... ({len(text)} characters)"


def _items(text: str) -> list[str]:
    """The parts between commas, without empty ones, unless in quotes."""
    found = []
    for match in _ITEM.finditer(text):
        quoted, plain = match.groups()
        if quoted is not None:
            found.append(quoted.replace('""', '"'))
        elif plain:
            found.append(plain)
    return found


def _member(text: str, kind: type[enum.Enum]) -> enum.Enum:
    by_name = {_normal(str(member.value)).lower(): member for member in kind}
    wanted = _normal(text).lower()
    if wanted in by_name:
        return by_name[wanted]
    match = spelling.nearest(text, by_name)
    meant = f"; did you mean {by_name[match].value}?" if match else ""
    raise ValueError(", ".join(str(member.value) for member in kind) + meant)


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
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
        raise ValueError("a whole number, as 128 or 128.0")
    return int(number)


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a finite number, as 0.01 or 1e-2")
    return number


def _text(value: Any, hint: Any) -> str:
    """The inverse of `_value`."""
    kind = _required(hint)
    if value is None:
        return "" if kind is str else "none"
    if isinstance(value, tuple):
        item_hint = typing.get_args(kind)[0]
        return ",".join(_quoted(_text(item, item_hint)) for item in value)
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


def _built(settings_class: type, given: Mapping[str, Any]) -> Any:
    names = {field.name for field in _fields(settings_class)}
    try:
        return settings_class(**{name: value for name, value in given.items() if name in names})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _help_entry(field: dataclasses.Field[Any], hint: Any, width: int) -> list[str]:
    """The lines of one flag: its name and what it takes, then its help beside it."""
    text = str(field.metadata.get("help", ""))
    notes = [] if all(choice in text for choice in _choices(hint)) else ["|".join(_choices(hint))]
    if field.default not in (None, ()):
        notes.append(f"default: {_text(field.default, hint)}")
    described = f"{text} {'(' + '; '.join(notes) + ')' if notes else ''}".strip()
    names = ", ".join([f"--{field.name}", *(f"--{alias}" for alias in field.metadata.get("alias", ()))])
    lines = textwrap.wrap(described, max(width - 30, 30)) or [""]
    head = f"  {names}"
    if len(head) > 28:
        return [head, *(" " * 30 + line for line in lines)]
    return [f"{head:<30}{lines[0]}", *(" " * 30 + line for line in lines[1:])]
