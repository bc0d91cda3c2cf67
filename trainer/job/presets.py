"""`--preset=NAME`: the flags of a recipe, which those that a person gives take the place of."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from trainer.job import early_flags, spelling
from trainer.job.errors import UsageError

Presets = Mapping[str, Mapping[str, str]]
"""Recipes by their names: values of flags, by the names of these. `schedule/rate` is a flag `rate` that has no use but
beside the recipe's `schedule`: where another schedule is given, it is left out."""

_FLAG = "preset"
_INDENT = 30


def expanded(argv: Sequence[str], presets: Presets) -> list[str]:
    """A command line with the flags of a preset in front, so that all others win, and without the preset's name.

    Args:
      argv: without the program's name.
      presets: that there are.

    Raises:
      UsageError: there is none of that name.
    """
    name = early_flags.value(argv, _FLAG)
    if name is None:
        return list(argv)
    if name not in presets:
        accept = ", ".join(presets) if presets else "no preset, as this problem has none"
        do = spelling.suggestion(name, presets, "Drop the flag" if not presets else "Name one of them")
        raise UsageError(f"--{_FLAG}={name}", accept, do)
    chosen = [f"--{flag.rpartition('/')[2]}={text}" for flag, text in _kept(argv, presets[name]).items()]
    return [*chosen, *early_flags.without(argv, _FLAG)]


def _kept(argv: Sequence[str], preset: Mapping[str, str]) -> Mapping[str, str]:
    """The flags of a recipe without those that belong to a value which the command line replaces."""
    given = {flag: early_flags.value(argv, flag) for flag in preset if "/" not in flag}
    replaced = {flag for flag, text in given.items() if text not in (None, preset[flag])}
    return {flag: text for flag, text in preset.items() if flag.rpartition("/")[0] not in replaced}


def described(presets: Presets) -> str:
    """What `--help` says of them: a line for each, with its flags; empty for none."""
    if not presets:
        return ""
    lines = []
    for name, preset in presets.items():
        given = " ".join(f"--{flag.rpartition('/')[2]}={text}" for flag, text in preset.items())
        first, others = f"  {name}".ljust(_INDENT), " " * _INDENT
        lines += textwrap.wrap(given, 110, initial_indent=first, subsequent_indent=others, break_on_hyphens=False)
    return "\n".join(["", "Presets, whose flags others that are given take the place of:", *lines]) + "\n"
