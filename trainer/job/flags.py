"""Settings as flags: dataclasses ⇄ absl flags ⇄ argv.

Every field of a settings class is a flag of its name, typed by its annotation: str, int, float, bool, an Enum (by
value), `tuple[T, ...]` of those (comma separated, an item that holds a comma in double quotes), `T | None` (`none`).
A field with metadata `{"flag": False}` is none; `{"help": ..., "alias": (...)}` describe the others.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import shutil
import textwrap
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from absl import flags as absl_flags
from absl import logging as absl_logging

import trainer
from trainer.job import early_flags, flag_values, spelling
from trainer.job.errors import UsageError

_Settings = TypeVar("_Settings")

_HELP = {"help", "h", "?", "helpshort", "helpfull"}


class TextRequested(Exception):  # noqa: N818  (it is no error)
    """A text to print, and nothing else to do."""


class HelpRequested(TextRequested):
    """Somebody asked for --help."""


class VersionRequested(TextRequested):
    """Somebody asked for --version."""

    def __init__(self) -> None:
        super().__init__(f"trainer {trainer.__version__}\n")


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
      TextRequested: on --help and on --version.
      UsageError: on an unknown flag, a stray word, a value of the wrong type, or settings that refuse their values.
    """
    fields = _flag_fields(settings_classes)
    values = _absl_values(fields)
    canonical = _canonical(early_flags.expanded(argv), fields, values, functools.partial(help_text, *settings_classes))
    try:
        values(["task", *canonical])
    except absl_flags.Error as error:
        raise UsageError(str(error)) from error
    given = {name: values[name].value for name in fields if values[name].present}
    return Settings(_built(settings_class, given) for settings_class in settings_classes)


def to_argv(*settings: Any) -> list[str]:
    """The flags that differ from their defaults, so that `parse(to_argv(a, b), A, B)` gives `a` and `b` again."""
    argv: dict[str, str] = {}
    for instance in settings:
        hints = _hints(instance.__class__)
        for field in _fields(type(instance)):
            value = getattr(instance, field.name)
            if value != field.default:
                argv[field.name] = f"--{field.name}={flag_values.text_of(value, hints[field.name])}"
    return list(argv.values())


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
        title = (settings_class.__doc__ or "").strip().partition("\n")[0]
        is_made = title.startswith(f"{settings_class.__name__}(")  # by dataclasses, where nobody wrote one
        parts += ["", settings_class.__name__ if is_made or not title else title]
        for field in _fields(settings_class):
            parts += _help_entry(field, _hints(settings_class)[field.name], width)
    parts += ["", "Logging:", "  -v, --verbosity             -1 warnings only, 0 progress too, 1 everything"]
    parts += ["", "More: --flagfile=FILE reads flags from a file, one per line; --version."]
    return "\n".join(parts) + "\n"


@dataclasses.dataclass(frozen=True)
class _FlagField:
    """A field together with its resolved type."""

    field: dataclasses.Field[Any]
    hint: Any

    @property
    def is_bool(self) -> bool:
        return flag_values.required(self.hint) is bool

    @property
    def aliases(self) -> tuple[str, ...]:
        return tuple(self.field.metadata.get("alias", ()))


class _Parser(absl_flags.ArgumentParser):
    """absl's parser of one flag, by the field's type."""

    def __init__(self, name: str, hint: Any) -> None:
        self._name, self._hint = name, hint
        self.choices = flag_values.choices(hint)

    def parse(self, argument: Any) -> Any:
        if not isinstance(argument, str):
            return argument
        try:
            return flag_values.parse(argument, self._hint)
        except ValueError as error:
            raise UsageError(f"--{self._name}={_short(argument)}", str(error), "Change the value") from None


def _fields(settings_class: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(settings_class) if field.metadata.get("flag", True)]


def _hints(settings_class: type) -> dict[str, Any]:
    return typing.get_type_hints(settings_class)


def _flag_fields(settings_classes: Sequence[type]) -> dict[str, _FlagField]:
    """Every flag by name. Classes may share a name, which then sets the field of each, if its type is the same."""
    flags_by_name: dict[str, _FlagField] = {}
    for settings_class in settings_classes:
        hints = _hints(settings_class)  # compiles every annotation, which takes a while
        for field in _fields(settings_class):
            entry = _FlagField(field, hints[field.name])
            if field.name in flags_by_name and flags_by_name[field.name].hint != entry.hint:
                raise TypeError(f"{settings_class.__name__}.{field.name} is {entry.hint}; another class differs")
            flags_by_name.setdefault(field.name, entry)
    return flags_by_name


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
    """`--name=value` for each flag of argv, by its own name: the last, or all where it repeats; aliases must agree."""
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
                f"--{first_spelling}={first_value} together with --{spelled}={value}",
                "one of the two, which name the same flag",
                "Drop one of them",
            )
        joined = name in given and name in fields and fields[name].field.metadata.get("repeats")
        given[name] = (spelled, f"{first_value},{value}" if joined else value)
    return [f"--{name}={value}" for name, (_, value) in given.items()]


def _split(
    token: str, values: absl_flags.FlagValues, aliases: Mapping[str, str], describe: Callable[[], str]
) -> tuple[str, bool, str | None]:
    """The name, whether it was `--noname`, and the value (None where it is in the next word)."""
    if not token.startswith("-") or token.strip("-") == "":
        raise _stray(token, values, aliases)
    raw, equals, text = token.lstrip("-").partition("=")
    name = spelling.normal(raw)
    if name in _HELP and not equals:
        raise HelpRequested(describe())
    if name == "version" and name not in values:
        raise VersionRequested
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
        says = following is not None and following.lower() in flag_values.TRUE | flag_values.FALSE
        return tokens.pop(0) if says else "true"
    is_flag = following is not None and following.startswith("-")
    if following is None or (is_flag and _is_name(following, [*values, *aliases])):
        raise UsageError(f"{token} has no value", f"{token}=VALUE", "Add the value, or drop the flag")
    return tokens.pop(0)


def _is_name(token: str, known: Sequence[str]) -> bool:
    return spelling.normal(token.lstrip("-").partition("=")[0]) in known


def _unknown(raw: str, name: str, value: str | None, known: Sequence[str]) -> UsageError:
    tail = f"={value}" if value is not None else ""
    match = spelling.nearest_flag(name, known)
    do = f"Did you mean --{match}{tail}?" if match else "See --help for all flags"
    return UsageError(f"Unknown flag --{raw}", None, do)


def _stray(word: str, values: absl_flags.FlagValues, aliases: Mapping[str, str]) -> UsageError:
    bare = word.lstrip("-–—−")
    name, equals, value = bare.partition("=")
    match = spelling.nearest_flag(name, [*values, *aliases]) if bare else None
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


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:40]}... ({len(text)} characters)"


def _built(settings_class: type, given: Mapping[str, Any]) -> Any:
    names = {field.name for field in _fields(settings_class)}
    try:
        return settings_class(**{name: value for name, value in given.items() if name in names})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _help_entry(field: dataclasses.Field[Any], hint: Any, width: int) -> list[str]:
    """The lines of one flag: its name and what it takes, then its help."""
    text = str(field.metadata.get("help", ""))
    notes = [] if all(choice in text for choice in flag_values.choices(hint)) else ["|".join(flag_values.choices(hint))]
    if field.default not in (None, ()):
        notes.append(f"default: {flag_values.text_of(field.default, hint)}")
    described = f"{text} {'(' + '; '.join(notes) + ')' if notes else ''}".strip()
    names = ", ".join([f"--{field.name}", *(f"--{alias}" for alias in field.metadata.get("alias", ()))])
    lines = textwrap.wrap(described, max(width - 30, 30)) or [""]
    head = f"  {names}"
    if len(head) > 28:
        return [head, *(" " * 30 + line for line in lines)]
    return [f"{head:<30}{lines[0]}", *(" " * 30 + line for line in lines[1:])]
