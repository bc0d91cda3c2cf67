"""Summaries that a trace records, for whoever runs it to write."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import op_callbacks
from tensorflow.python.ops import summary_ops_v2

from trainer.estimator.graph import histograms
from trainer.estimator.graph.inside.model_graph import ModelGraph

Keep = Callable[[str, tf.Tensor, bytes], None]
"""Takes a summary that a branch, a loop or a function has made: its tag, its value [...], its serialized metadata."""


class _RecordingWriter:
    """A summary writer that only marks, in the graph, what would be written: its resource is a placeholder []."""

    def __init__(self, resource: tf.Tensor) -> None:
        self._resource = resource  # the one attribute that tf.summary asks a writer for


@contextlib.contextmanager
def recorded(step: tf.Variable, keep: Keep) -> Iterator[None]:
    """Inside, `tf.summary` and `tf.compat.v1.summary` leave WriteSummary ops in the graph, on a writer that is fed.

    A public writer writes to a file or nowhere. The state that holds the default writer is that of the thread.

    Args:
      step: of the summaries that name none.
      keep: called with those that are made inside of a branch, a loop or a function, whose ops nobody can fetch.
    """
    state = summary_ops_v2._summary_state
    kept = state.writer, state.step, state.is_recording
    state.writer = _RecordingWriter(tf.compat.v1.placeholder(tf.resource, [], name="summary_writer"))
    state.step, state.is_recording = step, lambda: _is_in_model_graph(keep)
    # Called for each op that this thread adds to a graph, once it is there.
    op_callbacks.add_op_callback(_say_again)
    try:
        yield
    finally:
        op_callbacks.remove_op_callback(_say_again)
        state.writer, state.step, state.is_recording = kept


def _is_in_model_graph(keep: Keep) -> bool:
    """Whether a summary that is being made can be fetched as it is; one that cannot be is kept."""
    if isinstance(tf.compat.v1.get_default_graph(), ModelGraph):
        return True
    frame = sys._getframe(1)
    while frame.f_code is not summary_ops_v2.write.__code__:
        if frame.f_back is None:  # someone only asks whether summaries are recorded
            return True
        frame = frame.f_back
    said = frame.f_locals
    value = said["tensor"]
    keep(said["tag"], value() if callable(value) else tf.convert_to_tensor(value), said["serialized_metadata"])
    return False


def _say_again(op_type: str, inputs: Any, attrs: Any, outputs: Any, op_name: Any = None, graph: Any = None) -> None:
    """Makes a summary of `tf.compat.v1.summary`, which is a string, once more by `tf.summary`: as a tensor.

    Args:
      op_type: of an op that has been added to a graph.
      inputs: of the op: of a summary its tag [] and its value [...] first.
      attrs: of the op, a name and a value in turns.
      outputs: of the op.
      op_name: of the op.
      graph: that it was added to.
    """
    again = _OF_VERSION_1.get(op_type)
    if again is None:
        return
    tag = tf.get_static_value(inputs[0])
    if tag is not None and tag.size == 1:
        with tf.compat.v1.name_scope(None):  # the tag has its scopes
            again(tag.item().decode(), inputs, dict(zip(attrs[::2], attrs[1::2], strict=True)))


def _image(tag: str, inputs: Any, attrs: Any) -> None:
    """Images [n, height, width, channels]."""
    tf.summary.image(tag, inputs[1], max_outputs=attrs["max_images"].i)


def _audio(tag: str, inputs: Any, attrs: Any) -> None:
    """Clips [n, frames] or [n, frames, channels]."""
    clips = inputs[1] if inputs[1].shape.rank == 3 else inputs[1][..., tf.newaxis]
    tf.summary.audio(tag, clips, tf.cast(inputs[2], tf.int32), max_outputs=attrs["max_outputs"].i)


_OF_VERSION_1: dict[str, Callable[[str, Any, Any], Any]] = {
    "ScalarSummary": lambda tag, inputs, _: tf.summary.scalar(tag, tf.reshape(inputs[1], [])),
    "HistogramSummary": lambda tag, inputs, _: tf.summary.write(
        tag, histograms.buckets(inputs[1]), metadata=histograms.METADATA
    ),
    "ImageSummary": _image,
    "AudioSummaryV2": _audio,
    "TensorSummaryV2": lambda tag, inputs, _: tf.summary.write(tag, inputs[1], metadata=tf.get_static_value(inputs[2])),
}
