"""Files of TensorFlow for which it has no public class or reader."""

from __future__ import annotations

from collections.abc import Iterator

from tensorflow.python.lib.io import _pywrap_record_io
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

# CheckpointState is the message of a state file, which tf.train reads and writes but does not name.
__all__ = ["CheckpointState", "records"]


def records(path: str) -> Iterator[bytes]:
    """The records of an uncompressed TFRecord file.

    The reader that `tf.compat.v1.io.tf_record_iterator` hands out with a warning that it is deprecated; a Dataset takes
    25 ms a file.

    Raises:
      DataLossError: where the file is damaged.
    """
    yield from _pywrap_record_io.RecordIterator(path, "")
