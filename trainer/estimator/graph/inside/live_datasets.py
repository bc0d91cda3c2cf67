"""Datasets whose elements may depend on when they are asked for."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.data.ops import dataset_ops

from trainer.estimator.graph import op_table

_LIVE = op_table.GATHERS | op_table.DEQUEUES | op_table.READER_READS | {op_table.READ, "EagerPyFunc", "PyFunc"}
"""What gives other values at another time. Of `PyFuncStateless` it is said that it does not."""


def is_live(dataset: tf.data.Dataset) -> bool:
    """Whether a dataset calls Python or reads variables; so it is taken to where that cannot be known.

    `DatasetV2._inputs` and `_functions`: `DatasetToGraph`, the public way, writes all that the dataset holds.
    """
    while isinstance(dataset, dataset_ops.DatasetV1Adapter):
        dataset = dataset._dataset
    if isinstance(dataset, dataset_ops._VariantDataset) or any(map(_is_live, dataset._functions())):
        return True
    return any(map(is_live, dataset._inputs()))


def _is_live(wrapper: Any) -> bool:
    """Whether what a step of a pipeline calls is."""
    definition = wrapper.function.graph.as_graph_def()
    nodes = [definition.node, *(function.node_def for function in definition.library.function)]
    return any(node.op in _LIVE for listed in nodes for node in listed)
