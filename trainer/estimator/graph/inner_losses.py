"""Losses that a model function puts into a collection inside of a function of its own, where nobody finds them."""

from __future__ import annotations

import logging

import tensorflow as tf

from trainer.estimator.graph.inside import bodies

log = logging.getLogger("trainer")

_KEYS = tf.compat.v1.GraphKeys


def check(graph: tf.Graph) -> None:
    """Says which losses of the functions in a model function's graph are not in the collections of the graph.

    A function has collections of its own. What `tf.losses` adds there tf.estimator leaves out too, and its value may
    well be what the function returns, so that is a warning.

    Raises:
      ValueError: A regularizer's loss would be left out. In tf.estimator such a variable could not be made at all.
    """
    if regularizers := _unseen(graph, _KEYS.REGULARIZATION_LOSSES):
        raise ValueError(
            f"The model function made a variable with a regularizer inside of a tf.function: {regularizers[0]}. "
            "Regularizers count where the variable is made outside of one, for a function has collections of its own. "
            "Make the variable outside and use it inside."
        )
    for name in _unseen(graph, _KEYS.LOSSES):
        log.warning(
            "The loss %s is made inside of a tf.function, so the collection losses of the model function lacks it, as "
            "in tf.estimator. To have it in the total loss, return it from the function and add it.",
            name,
        )


def _unseen(graph: tf.Graph, collection: str) -> list[str]:
    """The names of what functions of a graph have in a collection that the graph has not."""
    seen = {id(loss) for loss in graph.get_collection(collection)}
    found: dict[int, str] = {}
    for function in bodies.related(graph):
        for loss in function.get_collection(collection):
            if id(loss) not in seen and getattr(loss, "graph", None) is function:
                found[id(loss)] = loss.name
    return list(found.values())
