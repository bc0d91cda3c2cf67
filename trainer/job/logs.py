"""Where log lines go, and how much TensorFlow may say of its own."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import TextIO

import absl.logging  # noqa: F401  (defines the flag)
from absl import flags as absl_flags

from trainer.job import early_flags, json_log
from trainer.job.config import LogFormat
from trainer.job.errors import UsageError
from trainer.job.json_log import JsonHandler, JsonStream
from trainer.job.secrets import scrubbed

_ODD_NAME = "is not a valid tf.function parameter name"
_CHATTER = re.compile(r"I\d{4} \d\d:\d\d|WARNING: All log messages before absl::InitializeLog")


class _Stderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at that moment, so that a live line on the terminal can stay below."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        pass


def _matters(record: logging.LogRecord) -> bool:
    """False of what TensorFlow says of columns such as `capital-gain`, whose names an export keeps all the same."""
    return _ODD_NAME not in str(record.msg)


class _Scrubbing(logging.Formatter):
    """Hides secrets, also those in tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return scrubbed(super().format(record))


def to_stderr(labels: Mapping[str, str] | None = None) -> None:
    """Sends what `trainer` logs to stderr, from the level that -v asks for; of other packages only warnings.

    Args:
      labels: of this process, in logs whose lines are JSON objects.
    """
    handler: logging.Handler = _Stderr()
    handler.setFormatter(_Scrubbing("%(asctime)s %(levelname).1s %(message)s", datefmt="%H:%M:%S"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, JsonStream):
            stream.labels = labels or {}
            handler = JsonHandler(stream)
    handler.addFilter(_matters)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    levels = {-1: logging.WARNING, 0: logging.INFO}
    verbosity = max(_verbosity(), -1)
    logging.getLogger("trainer").setLevel(levels.get(verbosity, logging.DEBUG))


def printed_as(argv: Sequence[str]) -> contextlib.AbstractContextManager[None]:
    """Within it, whatever is printed is in the format that `--log_format` names, usage errors included.

    Args:
      argv: whose flags need not be right.
    """
    try:
        is_json = early_flags.value(argv, "log_format") == LogFormat.JSON.value
    except UsageError:  # told when they are parsed
        is_json = False
    return json_log.printed() if is_json else contextlib.nullcontext()


def quiet_tensorflow(environ: MutableMapping[str, str], *, errors: bool = True) -> None:
    """Before TensorFlow's import: keeps its C++ code to errors, unless -v or the variable asks for more.

    What matters comes as an exception too. In a cluster every call in flight would tell of a peer that is gone, again
    and again; and of each compiled program that is read, TensorFlow tells that it is not text, and that the processor
    lacks features that no processor has.

    Args:
      environ: of the process.
      errors: whether it may tell of errors.
    """
    quiet = "2" if errors else "3"
    environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "0" if _verbosity() > 0 else quiet)


@contextlib.contextmanager
def without_import_chatter() -> Iterator[None]:
    """Around TensorFlow's import: drops remarks that its C++ code makes whatever the variable says."""
    if _verbosity() > 0:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            caught.seek(0)
            lines = caught.read().decode(errors="replace").splitlines(keepends=True)
            sys.stderr.write("".join(line for line in lines if not _CHATTER.match(line)))


def _verbosity() -> int:
    """absl's -v: -1 warnings, 0 progress too (ours where it is not given), 1 everything."""
    flag = absl_flags.FLAGS["verbosity"]
    return int(flag.value) if flag.present else 0
