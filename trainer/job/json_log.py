"""Lines of a log as JSON objects in the shape of Cloud Logging, one a line: `--log_format=json`.

    {"severity": "INFO", "message": "Evaluated step 1,000: …", "time": "2026-01-31T09:00:00.000000Z", "metrics": {…},
     "logging.googleapis.com/labels": {"role": "chief"}, "logging.googleapis.com/sourceLocation": {"file": …}}

The agents of Vertex AI and of Kubernetes Engine know the fields and take the others as payload
(https://cloud.google.com/logging/docs/structured-logging). Whatever is printed is an object, too, so that what other
packages print can be parsed; what is written to the file descriptor by C++ stays as it is.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

from trainer.job import records
from trainer.job.secrets import scrubbed

LABELS, PLACE = "logging.googleapis.com/labels", "logging.googleapis.com/sourceLocation"
_FAILURES = ("trainer.", "Traceback ", "Fatal ")


class JsonStream(io.TextIOBase):
    """What is printed, as objects: an object for what ends with a line's end, a table or a traceback as a whole.

    Args:
      stream: where they go.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock, self._begun = stream, threading.RLock(), ""
        self.labels: Mapping[str, str] = {}

    def entry(self, severity: str, message: str, fields: Mapping[str, Any] | None = None) -> None:
        """Writes an object.

        Args:
          severity: of Cloud Logging.
          message: a text of any length.
          fields: further ones, as JSON has them.
        """
        line = render(severity, message, self.labels, fields or {})
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def write(self, text: str) -> int:
        with self._lock:
            self._begun += text
            if self._begun.endswith("\n"):
                self._emit()
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        """Writes what has no end; the stream below stays open."""
        with self._lock:
            self._emit()

    def fileno(self) -> int:
        """Of the stream below: what writes there writes no objects."""
        return self._stream.fileno()

    def _emit(self) -> None:
        message, self._begun = self._begun.strip("\n"), ""
        if message.strip():
            self.entry(_severity_of(message), message)


class JsonHandler(logging.Handler):
    """Records of `logging`, with the fields that they bring as `extra={"fields": {…}}`.

    Args:
      stream: where they go.
    """

    def __init__(self, stream: JsonStream) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record; what is wrong with it is told by `logging`, as for any handler."""
        try:
            place = {"file": record.pathname, "line": str(record.lineno), "function": record.funcName}
            fields = {PLACE: place, "logger": record.name, **getattr(record, "fields", {})}
            self._stream.entry(record.levelname, self.format(record), fields)
        except Exception:
            self.handleError(record)


def render(severity: str, message: str, labels: Mapping[str, str], fields: Mapping[str, Any]) -> str:
    """An object as a line.

    Args:
      severity: of Cloud Logging.
      message: secrets in it are hidden.
      labels: of the process.
      fields: further ones.
    """
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    record = {"severity": severity, "message": scrubbed(message), "time": now, **fields}
    return json.dumps(records.strict({**record, LABELS: labels} if labels else record), default=str)


def say(text: str, stream: TextIO, fields: Mapping[str, Any]) -> None:
    """Prints a text; where lines are objects, beside its figures.

    Args:
      text: for people.
      stream: where it goes.
      fields: the same for programs.
    """
    if isinstance(stream, JsonStream):
        stream.entry("INFO", text.strip("\n"), fields)
    else:
        print(text, file=stream, flush=True)


@contextlib.contextmanager
def printed() -> Iterator[None]:
    """Within it, what is printed are objects."""
    kept = sys.stdout, sys.stderr
    wrapped = JsonStream(sys.stdout), JsonStream(sys.stderr)
    sys.stdout, sys.stderr = wrapped
    try:
        yield
    finally:
        for stream in wrapped:
            stream.close()
        sys.stdout, sys.stderr = kept


def merged(line: str, name: str) -> str:
    """A line of one of several processes as an object that says whose it is.

    Args:
      line: an object, or a text.
      name: of the process.
    """
    try:
        record: Any = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or "severity" not in record:
        return render(_severity_of(line), line, {"process": name}, {})
    labels = record.get(LABELS)
    return json.dumps({**record, LABELS: {**(labels if isinstance(labels, dict) else {}), "process": name}})


def _severity_of(text: str) -> str:
    """Of what says none: our messages of failures, and tracebacks, are errors."""
    if text.startswith(_FAILURES):
        return "ERROR"
    return "WARNING" if "Warning: " in text else "INFO"
