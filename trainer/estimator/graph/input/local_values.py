"""What stands for the local variables that TensorFlow's own helpers make in an input function; others are refused."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainer.estimator.graph.inside import iterators, makers


class InputVariableError(ValueError):
    """An input function makes a variable of TensorFlow, where it would be one of the model in tf.estimator."""


class EpochCounter:
    """The variable of `limit_epochs`, by which queues end after some epochs."""

    def count_up_to(self, limit: int) -> tf.Tensor:
        """The number of the epoch, int64 []; there is none after the last."""
        count: tf.Tensor = iterators.in_graph(tf.data.Dataset.range(limit)).get_next()
        return count


def instead_of_variable(*_: Any, **arguments: Any) -> Any:
    """Stands for the creator of variables.

    Raises:
      ValueError: for a variable of a person's own; an InputVariableError, unless Keras makes it.
    """
    value: Any = arguments.get("initial_value")
    if tf.compat.v1.GraphKeys.LOCAL_VARIABLES in (arguments.get("collections") or ()) and tf.is_tensor(value):
        if value.op.type == "MatchingFiles":  # of match_filenames_once
            return value
        if arguments.get("name") == "epochs" and "limit_epochs" in value.name:
            return EpochCounter()
    kind = ValueError if makers.now().variable is not None else InputVariableError
    raise kind(
        f"The input function makes a variable, {arguments.get('name') or 'without a name'}. "
        "It takes datasets, random ops and lookup tables, whose place in the data a checkpoint keeps. "
        "Make the variable in the model function, or count with Dataset.enumerate or scan"
    )
