"""One event file of TensorFlow's C++ writer, on a machine that may have no room for it."""

from __future__ import annotations

import contextlib
import logging
import math
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from trainer.job import system_errors

log = logging.getLogger("trainer")

_QUEUED, _FLUSH_MILLIS = 10, 5000
"""Events reach the file when so many wait, or after so long."""
_PAUSE_SECS = 60.0
"""Where there is no room for events, none are written for so long."""


class EventFile:
    """The event file of a directory, made at the first event.

    A full disk, or a directory that is gone, costs events and never the training: a warning says so, and a new file is
    begun later.

    Args:
      directory: local.
      clock: seconds.
    """

    def __init__(self, directory: str, clock: Callable[[], float]) -> None:
        self._directory, self._clock = directory, clock
        self._writer: Any = None
        self._paused_until, self._told = -math.inf, False

    def write(self, make: Callable[[], Any]) -> None:
        """Writes the event that a function makes, unless there was no room shortly before."""
        if self._clock() >= self._paused_until:
            with self._allowed_to_fail():
                if self._writer is None:
                    self._writer = _file_writer(self._directory)
                tf.raw_ops.ImportEvent(writer=self._writer, event=make().SerializeToString())

    def flush(self) -> None:
        """Returns when all that was written is in the file."""
        if self._writer is not None:
            with self._allowed_to_fail():
                tf.raw_ops.FlushSummaryWriter(writer=self._writer)

    def close(self) -> None:
        """Closes the file; a later event begins another one."""
        if self._writer is not None:
            with self._allowed_to_fail():
                tf.raw_ops.CloseSummaryWriter(writer=self._writer)
            self._writer = None

    @contextlib.contextmanager
    def _allowed_to_fail(self) -> Iterator[None]:
        """Drops what the machine does not take, and the file, which may end in half of an event."""
        try:
            yield
        except tf.errors.OpError as error:
            trouble = system_errors.of(error, self._directory)
            if trouble is None or not trouble.kind.passes:
                raise
            if not self._told:
                log.warning("Events for TensorBoard are lost. %s. %s.", trouble, trouble.kind.do)
            self._writer, self._told, self._paused_until = None, True, self._clock() + _PAUSE_SECS


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
