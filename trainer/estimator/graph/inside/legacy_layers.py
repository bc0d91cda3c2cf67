"""The layers and cells of TensorFlow 1, `tf.layers` and `tf.nn.rnn_cell`, which tf_keras has kept."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import tensorflow as tf
from tensorflow.python.util.lazy_loader import KerasLazyLoader

_WHERE = "tf_keras.api._v1.keras.__internal__.legacy"


def module(name: str) -> ModuleType:
    """The module of `layers` or of `rnn_cell`.

    Raises:
      AttributeError: tf_keras is not there.
    """
    try:
        return importlib.import_module(f"{_WHERE}.{name}")
    except ImportError as error:
        raise AttributeError(
            f"The {name} of TensorFlow 1 are asked for, which come with tf_keras, and {error}. "
            "Install the extra compat: pip install '.[compat]' where setup.py is"
        ) from error


def dense_features(*arguments: Any, **settings: Any) -> Any:
    """The layer of feature columns, `tf.keras.layers.DenseFeatures` of tf_keras.

    Raises:
      AttributeError: tf_keras is not there.
    """
    module("layers")  # says what is missing
    return importlib.import_module("tf_keras.api._v1.keras.layers").DenseFeatures(*arguments, **settings)


class _Legacy(KerasLazyLoader):
    """TensorFlow's own place for these names, which gives nothing beside Keras 3."""

    def __getattr__(self, item: str) -> Any:
        try:
            return super().__getattr__(item)
        except AttributeError:
            if item.startswith("_") or "legacy" not in (self._tfll_submodule or ""):
                raise
            return getattr(module(self._tfll_submodule.rpartition(".")[2]), item)


def offer() -> None:
    """Lets `tf.compat.v1.layers` and `tf.compat.v1.nn.rnn_cell` give what tf_keras has, in place of an error.

    The place stays TensorFlow's own, and what it gave before it gives still.
    """
    for place in (tf.compat.v1.layers, tf.compat.v1.nn.rnn_cell):
        if type(place) is KerasLazyLoader:
            object.__setattr__(place, "__class__", _Legacy)  # its own way to set an attribute loads Keras
