"""How a command that a person types ends: with what it was asked to print, or one line of error, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable

from trainer.job import flags
from trainer.job.errors import JobError
from trainer.job.secrets import scrubbed


def exit_code(program: str, usage: str, run: Callable[[], int]) -> int:
    """Runs a command, and says in one line what was wrong.

    Args:
      program: as errors call it.
      usage: how it is called, for --help.
      run: the command; returns its exit code.

    Returns:
      That exit code; 0 after --help and --version; that of the error; 1 where a file cannot be read or written.
    """
    try:
        return run()
    except flags.HelpRequested as text:
        print(f"Usage: {usage}\n" + str(text).partition("\n")[2], end="")
        return 0
    except flags.TextRequested as text:
        print(text, end="")
        return 0
    except JobError as error:
        print(f"{program}: {scrubbed(str(error))}", file=sys.stderr, flush=True)
        return error.exit_code
    except OSError as error:
        print(f"{program}: {scrubbed(str(error))}", file=sys.stderr, flush=True)
        return 1
