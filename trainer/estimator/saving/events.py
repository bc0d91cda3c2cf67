"""TensorBoard events: written by a run, and read again by early stopping and reports.

TensorFlow's C++ event writer writes them. Scalars are plain values, as tf.estimator wrote them, which every version of
TensorBoard reads.
"""

from __future__ import annotations

import contextlib
import logging
import math
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from trainer.job import system_errors
from trainer.storage import framing

log = logging.getLogger("trainer")

Event = tf.compat.v1.Event
_QUEUED, _FLUSH_MILLIS = 10, 5000
"""Events reach the file when so many wait, or after so long."""
_PAUSE_SECS = 60.0
"""Where there is no room for events, none are written for so long."""


class Events:
    """The event file of one directory, made at the first event.

    A full disk, or a directory that is gone, costs events and never the training: a warning says so, and a new file is
    begun later.

    Args:
      directory: local.
      clock: seconds.
    """

    def __init__(self, directory: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.directory = directory
        self._writer: Any = None
        self._clock, self._paused_until, self._told = clock, -math.inf, False

    def _import(self, event: Any) -> None:
        if self._clock() >= self._paused_until:
            with self._allowed_to_fail():
                if self._writer is None:
                    self._writer = _file_writer(self.directory)
                tf.raw_ops.ImportEvent(writer=self._writer, event=event.SerializeToString())

    @contextlib.contextmanager
    def _allowed_to_fail(self) -> Iterator[None]:
        """Drops what the machine does not take, and the file, which may end in half of an event."""
        try:
            yield
        except tf.errors.OpError as error:
            trouble = system_errors.of(error, self.directory)
            if trouble is None or not trouble.kind.passes:
                raise
            if not self._told:
                log.warning("Events for TensorBoard are lost. %s. %s.", trouble, trouble.kind.do)
            self._writer, self._told, self._paused_until = None, True, self._clock() + _PAUSE_SECS

    def started(self, step: int, now: float) -> None:
        """Marks the start of a run, so that TensorBoard drops what an aborted run wrote from this step on.

        Args:
          step: the first global step of the run.
          now: the time in seconds.
        """
        log = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._import(Event(step=step, wall_time=now, session_log=log))

    def scalars(self, values: Mapping[str, float], step: int, now: float) -> None:
        """Writes scalars.

        Args:
          values: by tag.
          step: the global step.
          now: the time in seconds.
        """
        summary = tf.compat.v1.Summary()
        for tag, value in values.items():
            summary.value.add(tag=tag, simple_value=float(value))
        self._import(Event(step=step, wall_time=now, summary=summary))

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
        self._import(Event(step=step, wall_time=now, summary=summary))

    def serialized(self, content: bytes, step: int, now: float) -> None:
        """Writes a Summary under the tags that it has.

        Args:
          content: a serialized Summary.
          step: the global step.
          now: the time in seconds.
        """
        self._import(Event(step=step, wall_time=now, summary=tf.compat.v1.Summary.FromString(content)))

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
        self._import(Event(step=step, wall_time=now, summary=parsed))

    def flush(self) -> None:
        if self._writer is not None:
            with self._allowed_to_fail():
                tf.raw_ops.FlushSummaryWriter(writer=self._writer)

    def close(self) -> None:
        if self._writer is not None:
            with self._allowed_to_fail():
                tf.raw_ops.CloseSummaryWriter(writer=self._writer)
            self._writer = None


def _file_writer(directory: str) -> tf.Tensor:
    """A handle [] of the writer behind `tf.summary.create_file_writer`, which takes summaries but no whole events."""
    with tf.device("cpu:0"):
        writer = tf.raw_ops.SummaryWriter(shared_name=uuid.uuid4().hex, container="")
        tf.raw_ops.CreateSummaryFileWriter(
            writer=writer,
            logdir=directory,
            max_queue=_QUEUED,
            flush_millis=_FLUSH_MILLIS,
            filename_suffix=".v2",
        )
    return writer


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
