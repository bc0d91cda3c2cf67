"""Where log lines go, and how much TensorFlow may say of its own."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import TextIO

from absl import flags as absl_flags


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, so that a live line on the terminal can stay below."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        pass


def to_stderr() -> None:
    """Sends what `trainer` logs to stderr, from the level that -v asks for; of other packages only warnings."""
    handler = _Stderr()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    levels = {-1: logging.WARNING, 0: logging.INFO}
    verbosity = max(_verbosity(), -1)
    logging.getLogger("trainer").setLevel(levels.get(verbosity, logging.DEBUG))


def quiet_tensorflow(environ: MutableMapping[str, str]) -> None:
    """Before TensorFlow's import: keeps its C++ code to errors, unless -v or the variable asks for more."""
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if _verbosity() > 0 else "2")


def _verbosity() -> int:
    """absl's -v: -1 warnings, 0 progress too, 1 everything."""
    return int(absl_flags.FLAGS["verbosity"].value)
