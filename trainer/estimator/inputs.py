"""Input functions over arrays and data frames in memory: `tf.estimator.inputs` of TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf


def numpy_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
) -> Callable[[], Any]:
    """An input function over arrays.

    Args:
      x: features: an array [examples, …] or a dict of such.
      y: labels: likewise; None for none.
      batch_size: of a batch; batches go over from one epoch into the next.
      num_epochs: how often the data are gone through; None for ever.
      shuffle: whether examples come in another order each time; has to be said.
      queue_capacity: of how many examples the next one is drawn, at least.
      num_threads: means nothing: the order of the examples does not depend on threads.

    Returns:
      A function that gives a dataset of batches; in a graph, the tensors of the next batch.

    Raises:
      ValueError: arrays of different lengths, no features, empty labels, or nothing said of `shuffle`.
    """
    _check_shuffle(shuffle, "numpy_input_fn")
    for name, given in (("x", x), ("y", y)):
        if isinstance(given, Mapping) and not given:
            raise ValueError(f"numpy_input_fn was given an empty dict as {name}. It takes a dict of arrays")
    if x is None:
        raise ValueError("numpy_input_fn was given no x. It takes the features, an array or a dict of arrays")
    features = {key: np.asarray(value) for key, value in x.items()} if isinstance(x, Mapping) else np.asarray(x)
    labels = {key: np.asarray(value) for key, value in y.items()} if isinstance(y, Mapping) else y
    data = features if labels is None else (features, labels if isinstance(labels, dict) else np.asarray(labels))
    _check_lengths(data, "numpy_input_fn")
    return _input_fn(data, batch_size, num_epochs, bool(shuffle), queue_capacity)


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> Callable[[], Any]:
    """An input function over a data frame, whose columns are the features.

    Args:
      x: a data frame with the features.
      y: the labels: a series, or a data frame for a dict of labels; None for none.
      batch_size: of a batch; batches go over from one epoch into the next.
      num_epochs: how often the data are gone through; None for ever.
      shuffle: whether examples come in another order each time; has to be said.
      queue_capacity: of how many examples the next one is drawn, at least.
      num_threads: means nothing: the order of the examples does not depend on threads.
      target_column: no column of `x` may be called so, where `y` is a series.

    Returns:
      A function that gives a dataset of batches; in a graph, the tensors of the next batch.

    Raises:
      ValueError: labels with another index, a column of that name, or nothing said of `shuffle`.
    """
    _check_shuffle(shuffle, "pandas_input_fn")
    features = {column: x[column].to_numpy() for column in x}
    if y is None:
        return _input_fn(features, batch_size, num_epochs, bool(shuffle), queue_capacity)
    if not x.index.equals(y.index):
        raise ValueError(
            "pandas_input_fn was given x and y with different indexes. It takes the labels of those very rows. "
            "Reset both indexes, if the rows are in one order"
        )
    if hasattr(y, "columns"):
        labels: Any = {column: y[column].to_numpy() for column in y}
    elif target_column in features:
        raise ValueError(
            f"pandas_input_fn was given an x with a column {target_column!r}, which is the name of the labels. "
            "Pass another target_column"
        )
    else:
        labels = y.to_numpy()
    return _input_fn((features, labels), batch_size, num_epochs, bool(shuffle), queue_capacity)


def _input_fn(
    data: Any, batch_size: int, num_epochs: int | None, shuffle: bool, queue_capacity: int
) -> Callable[[], Any]:
    """An input function over nested arrays [examples, …]; the other arguments are those of `numpy_input_fn`."""

    def input_fn() -> Any:
        dataset = tf.data.Dataset.from_tensor_slices(data)
        if shuffle:
            dataset = dataset.shuffle(max(queue_capacity, len(tf.nest.flatten(data)[0])))
        batches = dataset.repeat(num_epochs).batch(batch_size)
        # In a graph a caller takes tensors apart, as in another input function of TensorFlow 1.
        return batches if tf.executing_eagerly() else tf.compat.v1.data.make_one_shot_iterator(batches).get_next()

    return input_fn


def _check_shuffle(shuffle: bool | None, name: str) -> None:
    if not isinstance(shuffle, bool | np.bool_):
        raise ValueError(
            f"{name} was given shuffle={shuffle!r}. It takes True or False. "
            "Say shuffle=True for training, shuffle=False for evaluation and prediction"
        )


def _check_lengths(data: Any, name: str) -> None:
    lengths = [len(array) for array in tf.nest.flatten(data)]
    if len(set(lengths)) > 1:
        raise ValueError(f"{name} was given arrays of {lengths} examples. They have one length")
