"""A command line before it is known which flags there are: files of flags, and one flag looked up by its name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from absl import flags as absl_flags

from trainer.job.errors import UsageError


def expanded(argv: Sequence[str]) -> list[str]:
    """The words of `argv`, with those of a file in place of each `--flagfile=FILE`.

    Raises:
      UsageError: a file that cannot be read, or a word that is no text.
    """
    try:
        words: list[str] = absl_flags.FlagValues().read_flags_from_files(list(argv), force_gnu=True)
    except absl_flags.Error as error:
        path = re.search(r": '(.*)'$", str(error))
        got = f"--flagfile={path[1]} cannot be read" if path else f"--flagfile: {error}"
        raise UsageError(got, "a text file of flags, one per line", "Correct the path") from error
    _require_text(words)
    return words


def _require_text(words: Sequence[str]) -> None:
    """Refuses bytes that are no UTF-8, which Python keeps as lone surrogates and TensorFlow does not take."""
    for word in words:
        if any("\ud800" <= char <= "\udfff" for char in word):
            raise UsageError(f"{word!a} is not UTF-8", "flags and file names in UTF-8", "Rename the file or directory")


def value(argv: Sequence[str], name: str) -> str | None:
    """The last value that `argv`, or a `--flagfile` in it, gives to a flag; None where it gives none.

    Args:
      argv: without the program's name.
      name: of the flag, with underscores.

    Raises:
      UsageError: a flagfile that cannot be read.
    """
    words = expanded(argv)
    last = None
    for word, following in itertools.zip_longest(words, words[1:]):
        spelled, equals, text = word.partition("=")
        if _is_flag(spelled, name):
            last = text if equals else following
    return last


def replaced(argv: Sequence[str], name: str, text: str) -> list[str]:
    """`argv` with another value for a flag: in its place, else at the end, since the last value counts.

    Args:
      argv: without the program's name.
      name: of the flag, with underscores.
      text: its new value.
    """
    words: list[str] = []
    is_given = is_value = False
    for word in argv:
        if is_value:
            is_value = False
            continue
        spelled, equals, _ = word.partition("=")
        if _is_flag(spelled, name):
            is_given, is_value, word = True, not equals, f"--{name}={text}"
        words.append(word)
    return words if is_given else [*words, f"--{name}={text}"]


def without(argv: Sequence[str], name: str) -> list[str]:
    """The words of `argv`, and of `--flagfile`s in it, but for a flag and its values.

    Args:
      argv: without the program's name.
      name: of the flag, with underscores.
    """
    words: list[str] = []
    is_value = False
    for word in expanded(argv):
        spelled, equals, _ = word.partition("=")
        if not is_value and _is_flag(spelled, name):
            is_value = not equals
        elif is_value:
            is_value = False
        else:
            words.append(word)
    return words


def _is_flag(spelled: str, name: str) -> bool:
    return spelled.startswith("-") and spelled.lstrip("-").replace("-", "_") == name
