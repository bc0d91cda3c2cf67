"""What the command lines of all commands share: the flags before `--`, those of the task after it, and their help."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from trainer import problem_file
from trainer.job import flags
from trainer.job.config import DEFAULT_PROBLEM, RunSettings
from trainer.job.errors import UsageError


def halves(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What comes before the first `--`, and after it."""
    words = list(argv)
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def misplaced(own: Sequence[str], *settings_classes: type) -> UsageError | None:
    """The error to raise where a flag of the task, and none of `settings_classes`, stands before the `--`."""
    task_flags = _names(RunSettings) | _names(problem_file.load(DEFAULT_PROBLEM).data)
    own_flags = {name for settings_class in settings_classes for name in _names(settings_class)}
    for word in own:
        name = word.lstrip("-").partition("=")[0].replace("-", "_")
        if word.startswith("-") and name in task_flags - own_flags:
            return UsageError(f"{word} is a flag of the task", "such flags after --", f"Write -- {word}")
    return None


_WITH_COMMAS = ("env",)  # whose values may be lists


def pairs(flag: str, texts: tuple[str, ...]) -> dict[str, str]:
    """`KEY=VALUE` texts as a dict; of `--env`, a text without `=` belongs to the value before it: `LIST=a,b`.

    Raises:
      UsageError: a text without `=`, or a key twice.
    """
    values: dict[str, str] = {}
    key = ""
    for text in texts:
        if key and "=" not in text and flag in _WITH_COMMAS:
            values[key] += f",{text}"
            continue
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise UsageError(f"--{flag}={text}", "KEY=VALUE", f"Write it as --{flag}=team=forecast")
        if key in values:
            raise UsageError(f"--{flag} has {key!r} twice", "each key once", "Drop one")
        values[key] = value
    return values


def require_module(name: str) -> None:
    """Raises UsageError where `name` cannot be what --module means."""
    if not re.fullmatch(r"\w+(\.\w+)*", name):
        raise UsageError(f"--module={name}", "a module's dotted name", "Leave it out")


def _names(settings_class: type) -> set[str]:
    fields = dataclasses.fields(settings_class)
    return {name for field in fields for name in (field.name, *field.metadata.get("alias", ()))}


def with_both_sides(error: UsageError) -> UsageError:
    """Of an unknown flag says that there are two places: the model's own ones are known to the task only."""
    if not error.got.startswith("Unknown flag"):
        return error
    return UsageError(error.got, "those of --help, and after -- those of the task", error.do)


def help_text(usage: str, *settings_classes: type) -> str:
    """The flags' help under another usage line, without what belongs to the task only."""
    described = flags.help_text(*settings_classes).partition("\n")[2].partition("\n\nLogging:")[0]
    return f"Usage: {usage}\n{described}\n"
