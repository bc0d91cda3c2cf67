"""One flag of a command line, looked up before it is known which other flags there are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from absl import flags as absl_flags

from trainer.job.errors import UsageError


def value(argv: Sequence[str], name: str) -> str | None:
    """The last value that `argv`, or a `--flagfile` in it, gives to a flag; None where it gives none.

    Args:
      argv: without the program's name.
      name: of the flag, with underscores.

    Raises:
      UsageError: a flagfile that cannot be read.
    """
    try:
        words = absl_flags.FlagValues().read_flags_from_files(list(argv), force_gnu=True)
    except absl_flags.Error as error:
        raise UsageError(f"--flagfile: {error}", None, "Name a file of flags, one per line") from error
    last = None
    for word, following in itertools.zip_longest(words, words[1:]):
        spelled, equals, text = word.partition("=")
        if spelled.startswith("-") and spelled.lstrip("-").replace("-", "_") == name:
            last = text if equals else following
    return last
