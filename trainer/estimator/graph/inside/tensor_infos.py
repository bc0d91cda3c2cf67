"""How a signature describes a tensor, sparse and ragged ones included."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.saved_model import utils_impl


def tensor_info(tensor: Any) -> tf.compat.v1.saved_model.TensorInfo:
    """The description of a tensor [...] of a graph.

    The public function of this kind runs in no eager program, and warns that it belongs to TensorFlow 1.
    """
    return utils_impl.build_tensor_info_internal(tensor)
