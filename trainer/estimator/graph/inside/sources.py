"""What datasets begin with: arrays, or files that are read one after the other, each time in the same order."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import flat_map_op, from_tensor_slices_op, readers

from trainer.estimator.graph.inside.datasets import unwrapped

_READS = frozenset({"TextLineDataset", "TFRecordDataset", "TFRecordDatasetV2"})
_ARRANGES = frozenset(
    {"Const", "FlatMapDataset", "Identity", "NoOp", "Placeholder", "Reshape", "SkipDataset", "TensorSliceDataset"}
)
"""What a function that reads a file may do besides: name it, and leave out its first lines."""


def slices_of(dataset: tf.data.Dataset) -> list[tf.Tensor] | None:
    """The components of `from_tensor_slices`, [rows, …] each; None for another dataset, or where values come later.

    `_tensors` of TensorFlow's class, for the same reason.
    """
    dataset = unwrapped(dataset)
    if type(dataset) is not from_tensor_slices_op._TensorSliceDataset:
        return None
    tensors: list[tf.Tensor] = dataset._tensors
    known = not any(tf.is_symbolic_tensor(tensor) or tensor.dtype == tf.variant for tensor in tensors)
    return tensors if known else None


def files_of(dataset: tf.data.Dataset) -> list[str] | None:
    """The names of the files of a dataset; None where it is none of files alone, or their order may change.

    `_impl`, `_input_dataset` and `_map_func` of TensorFlow's classes: nothing public tells what a dataset goes over.

    Args:
      dataset: such as `TextLineDataset(names)`, or `from_tensor_slices(names).flat_map(TextLineDataset)`.
    """
    dataset = unwrapped(dataset)
    if type(dataset) in (readers.TextLineDatasetV2, readers.TFRecordDatasetV2):
        dataset = dataset._impl
    if type(dataset) is not flat_map_op._FlatMapDataset or not _reads_alone(dataset._map_func.function):
        return None
    tensors = slices_of(dataset._input_dataset)
    known = [tf.get_static_value(tensor) for tensor in tensors or ()]
    if len(known) != 1 or known[0] is None:
        return None
    return [name.decode() if isinstance(name, bytes) else str(name) for name in known[0].tolist()]


def _reads_alone(function: Any) -> bool:
    """Whether a function of a file's name does nothing but read the file."""
    definition = function.graph.as_graph_def()
    nodes = [*definition.node, *(node for each in definition.library.function for node in each.node_def)]
    types = {node.op for node in nodes}
    return bool(types & _READS) and types <= _READS | _ARRANGES
