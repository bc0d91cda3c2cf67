"""Summaries that a trace records, for whoever runs it to write."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf
from tensorflow.python.ops import summary_ops_v2


class _RecordingWriter:
    """A summary writer that only marks, in the graph, what would be written: its resource is a placeholder []."""

    def __init__(self, resource: tf.Tensor) -> None:
        self._resource = resource  # the one attribute that tf.summary asks a writer for


@contextlib.contextmanager
def recorded(step: tf.Variable) -> Iterator[None]:
    """Inside, `tf.summary` and `tf.compat.v1.summary` leave WriteSummary ops in the graph, on a writer that is fed.

    A public writer writes to a file or nowhere. The state that holds the default writer is that of the thread.

    Args:
      step: of the summaries that name none.
    """
    state = summary_ops_v2._summary_state
    kept = state.writer, state.step, state.is_recording
    state.writer = _RecordingWriter(tf.compat.v1.placeholder(tf.resource, [], name="summary_writer"))
    state.step, state.is_recording = step, True
    try:
        yield
    finally:
        state.writer, state.step, state.is_recording = kept
