"""TensorBoard events: written by a run, and read again by early stopping and reports.

TensorFlow's C++ event writer writes them, in a thread of its own: of a hundred steps of a small model it would take the
twentieth part. Scalars are plain values, as tf.estimator wrote them, which every version of TensorBoard reads.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from trainer.estimator.saving.event_file import EventFile
from trainer.estimator.saving.later import Later
from trainer.storage import framing

Event = tf.compat.v1.Event
_GATHERED_SECS = 1.0
"""Events of so long are handed to the thread together. Each time it wakes it takes a core: where there are no more than
two, from the steps or from the pipeline, and for some milliseconds."""


class Events:
    """The events of one directory, written to a file that is made at the first of them.

    Where there is no room they are lost, with a warning. Any other error is raised by a later call.

    Args:
      directory: local.
      clock: seconds.
    """

    def __init__(self, directory: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.directory = directory
        self._file, self._later = EventFile(directory, clock), Later("events")
        self._clock, self._due = clock, -math.inf
        self._gathered: list[Callable[[], Any]] = []

    def _import(self, make: Callable[[], Any]) -> None:
        """Writes the event that a function makes, at once if there was none shortly before."""
        self._gathered.append(make)
        self.write_due()

    def write_due(self) -> None:
        """Has the thread write what was gathered long enough. To be called now and then, for there may be no event."""
        if self._gathered and self._clock() >= self._due:
            self._write_gathered()

    def _write_gathered(self) -> None:
        gathered, self._gathered = self._gathered, []
        self._due = self._clock() + _GATHERED_SECS

        def write() -> None:
            for make in gathered:
                self._file.write(make)

        self._later.do(write)

    def started(self, step: int, now: float) -> None:
        """Marks the start of a run, so that TensorBoard drops what an aborted run wrote from this step on.

        Args:
          step: the first global step of the run.
          now: the time in seconds.
        """
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._import(lambda: Event(step=step, wall_time=now, session_log=start))

    def scalars(self, values: Mapping[str, float], step: int, now: float) -> None:
        """Writes scalars.

        Args:
          values: by tag.
          step: the global step.
          now: the time in seconds.
        """
        plain = {tag: float(value) for tag, value in values.items()}

        def make() -> Any:
            parts = [tf.compat.v1.Summary.Value(tag=tag, simple_value=value) for tag, value in plain.items()]
            return Event(step=step, wall_time=now, summary=tf.compat.v1.Summary(value=parts))

        self._import(make)

    def text(self, tag: str, content: str, step: int, now: float) -> None:
        """Writes a text.

        Args:
          tag: its name.
          content: in Markdown, as TensorBoard shows it.
          step: the global step.
          now: the time in seconds.
        """
        self.tensor(tag, np.array(content.encode(), dtype=object), b"", step, now)

    def tensor(self, tag: str, value: np.ndarray, metadata: bytes, step: int, now: float) -> None:
        """Writes the value of a `tf.summary`.

        Args:
          tag: its name.
          value: of the shape that its plugin takes.
          metadata: a serialized SummaryMetadata, which says how TensorBoard shows it.
          step: the global step.
          now: the time in seconds.
        """
        parsed = tf.compat.v1.SummaryMetadata.FromString(metadata)
        if parsed.plugin_data.plugin_name == "scalars":
            self.scalars({tag: float(value)}, step, now)
            return
        summary = tf.compat.v1.Summary()
        summary.value.add(tag=tag, tensor=tf.make_tensor_proto(value), metadata=parsed)
        self._import(lambda: Event(step=step, wall_time=now, summary=summary))

    def serialized(self, content: bytes, step: int, now: float) -> None:
        """Writes a Summary under the tags that it has.

        Args:
          content: a serialized Summary.
          step: the global step.
          now: the time in seconds.
        """
        summary = tf.compat.v1.Summary.FromString(content)
        self._import(lambda: Event(step=step, wall_time=now, summary=summary))

    def summary(self, tag: str, content: bytes, step: int, now: float) -> None:
        """Writes what an op of `tf.compat.v1.summary` gave, as tf.estimator did for a metric.

        Args:
          tag: a number is added for each of its values.
          content: a serialized Summary; anything else is written as a text.
          step: the global step.
          now: the time in seconds.
        """
        try:
            parsed = tf.compat.v1.Summary.FromString(content)
        except DecodeError:
            self.tensor(tag, np.array(content, dtype=object), b"", step, now)
            return
        for index, value in enumerate(parsed.value):
            value.tag = f"{tag}/{index}"
        self._import(lambda: Event(step=step, wall_time=now, summary=parsed))

    def flush(self) -> None:
        """Returns when all events are in the file."""
        self._write_gathered()
        self._later.do(self._file.flush)
        self._later.wait()

    def close(self) -> None:
        """Returns when the file is closed; a later event begins another one."""
        self._write_gathered()
        self._later.do(self._file.close)
        self._later.close()


def read_scalars(directory: str) -> dict[int, dict[str, float]]:
    """The scalars in the event files of a directory, by step and tag.

    Of several values for a step, the last one counts. A file whose tail is corrupt is read up to there.

    Args:
      directory: a local path.
    """
    scalars: dict[int, dict[str, float]] = {}
    local = Path(directory)
    for file in sorted(local.glob("*tfevents*")) if local.is_dir() else ():
        for event in _events(str(file)):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    scalars.setdefault(event.step, {})[value.tag] = value.simple_value
                elif value.metadata.plugin_data.plugin_name == "scalars":
                    scalars.setdefault(event.step, {})[value.tag] = float(tf.make_ndarray(value.tensor))
    return dict(sorted(scalars.items()))


def _events(file: str) -> Iterator[Any]:
    """The events of a file that are whole."""
    with contextlib.suppress(DecodeError):
        yield from map(Event.FromString, framing.sound_records(file))
