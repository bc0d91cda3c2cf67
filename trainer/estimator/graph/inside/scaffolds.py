"""A `tf.train.Saver` of a model function: under which names it has the variables, and the ops that it made."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def saved_as(saver: Any) -> dict[str, Any]:
    """The variables of a `tf.train.Saver` that was given a map, by the names in the checkpoint; {} for another."""
    given = getattr(saver, "_var_list", None)
    if not isinstance(given, dict):
        return {}
    return {name: variable for name, variable in given.items() if isinstance(variable, tf.Variable)}


def restorers(graph: tf.Graph) -> set[tf.Operation]:
    """The ops of Savers that set variables from a file, which a Session ran when it was asked to restore."""
    return {op for op in graph.get_operations() if op.type == "AssignVariableOp" and _is_read(op.inputs[1].op)}


def _is_read(op: tf.Operation) -> bool:
    while op.type == "Identity":
        op = op.inputs[0].op
    return op.type == "RestoreV2"
