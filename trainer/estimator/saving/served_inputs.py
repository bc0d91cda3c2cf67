"""What clients of an exported model send, as its default signature says."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from trainer import storage
from trainer.estimator.contract.export import DEFAULT_SIGNATURE
from trainer.job.layout import GRAPH_FILE
from trainer.job.report import Input


def of_export(export_dir: str) -> list[Input]:
    """The inputs of the default signature, in the order of their names; none where one of them is sparse or ragged.

    Nor are there any without that signature, or where the bucket cannot be read at once: they are for an example, which
    is not worth waiting for.

    Args:
      export_dir: a SavedModel, local or in a bucket.
    """
    hasty = storage.Store(retry_policy=storage.RetryPolicy(total_secs=5.0, connect_secs=5.0, silence_secs=5.0))
    try:
        content = hasty.read(storage.join(export_dir, GRAPH_FILE))
    except (storage.NotFoundError, storage.UnavailableError):  # written as text, or still to be uploaded
        return []
    for graph in SavedModel.FromString(content).meta_graphs:
        if DEFAULT_SIGNATURE in graph.signature_def:
            inputs = graph.signature_def[DEFAULT_SIGNATURE].inputs
            if any(info.WhichOneof("encoding") != "name" for info in inputs.values()):
                return []
            return [_input(name, inputs[name]) for name in sorted(inputs)]
    return []


def _input(name: str, info: tf.compat.v1.saved_model.TensorInfo) -> Input:
    sizes = None if info.tensor_shape.unknown_rank else tuple(dim.size for dim in info.tensor_shape.dim)
    shape = None if sizes is None else tuple(None if size < 0 else size for size in sizes)
    return Input(name=name, shape=shape, is_number=tf.as_dtype(info.dtype).is_floating)
