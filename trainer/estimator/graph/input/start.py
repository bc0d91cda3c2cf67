"""What a session of TensorFlow 1 began with: the datasets of iterators, and what the placeholders of these are fed.

An input function may leave its arrays out of the graph: it makes a dataset of placeholders, and a hook feeds them when
it runs `iterator.initializer` in `after_create_session`. Here the hook is called for that when the pipeline is made.
When training begins it is called once more, as every hook is, and that run changes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table
from trainer.estimator.graph.initial_values import computed
from trainer.estimator.graph.input.traced import TracedInput
from trainer.estimator.graph.lookup_tables import fillers
from trainer.estimator.graph.subgraphs import ancestors

MAKE = "MakeIterator"


@dataclasses.dataclass(frozen=True)
class Start:
    """What a session would have begun with.

    Attributes:
      datasets: variants [], one for each of the ops that take the next element of an iterator.
      placeholders: [...] each, but for that of the step.
      values: theirs.
    """

    datasets: Sequence[tf.Tensor]
    placeholders: Sequence[tf.Tensor]
    values: Sequence[tf.Tensor]


class _ElsewhereError(Exception):
    """A hook runs something else than the initializer of an iterator."""


class InputSession:
    """Notes which initializers a hook runs, and what it feeds.

    Args:
      graph: of an input function.

    Attributes:
      graph: of the input function.
      run_ops: ops of it that were run, with those that these depend on.
      fed: values [...] by placeholder.
      failed: the error of the last hook that wants another session; None for none.
    """

    def __init__(self, graph: tf.Graph) -> None:
        self.graph = graph
        self.run_ops: set[tf.Operation] = set()
        self.fed: dict[tf.Operation, Any] = {}
        self.failed: Exception | None = None

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, *_: Any, **__: Any) -> Any:
        """Notes the fetches, which have to be ops of the input function; None for each, as a Session gives."""
        listed = tf.nest.flatten(fetches)
        if not all(isinstance(fetch, tf.Operation) and fetch.graph is self.graph for fetch in listed):
            raise _ElsewhereError(f"{fetches!r} is not of the input function")
        self.run_ops |= ancestors(listed, set())
        self.fed |= {self.graph.as_graph_element(key).op: value for key, value in (feed_dict or {}).items()}
        return tf.nest.map_structure(lambda _: None, fetches)

    def show_to(self, hooks: Sequence[Any]) -> None:
        """Lets hooks run what they run when a session has been created."""
        for hook in hooks:
            try:
                with self.graph.as_default():  # whose collections it may ask for initializers
                    hook.after_create_session(self, None)
            # It will be called again when there is a session for all else, and what is wrong with it shows then.
            except Exception as error:
                self.failed = error


def start(source: TracedInput, needed: Collection[tf.Operation], reads: Sequence[Any], hooks: Sequence[Any]) -> Start:
    """What the iterators go over; hooks are asked where the graph alone does not tell.

    Args:
      source: the function.
      needed: ops that what it gives depends on.
      reads: those of them that take the next elements.
      hooks: of TensorFlow 1.

    Raises:
      ValueError: an iterator that is over none or several datasets, or a placeholder that nothing feeds.
    """
    graph, session = source.graph, InputSession(source.graph)
    makers = [op for op in graph.get_operations() if op.type == MAKE]
    by_read = [[op for op in makers if op.inputs[1] is read.inputs[0]] for read in reads]
    tables = ancestors(fillers(graph), set())
    behind = ancestors([op.inputs[0].op for made in by_read for op in made], set())
    inner = {source.step.op, *(placeholder.op for _, placeholder in graph.captures)}
    fed = [op for op in {*needed, *behind, *tables} - inner if op.type in op_table.PLACEHOLDERS]
    if fed or any(len(made) > 1 for made in by_read):
        session.show_to(hooks)
    datasets = [_chosen(made, session.run_ops, tables).inputs[0] for made in by_read]
    return Start(datasets, [op.outputs[0] for op in fed], [_value(op, session) for op in fed])


def _chosen(made: Sequence[tf.Operation], run: set[tf.Operation], tables: set[tf.Operation]) -> tf.Operation:
    """The op by which an iterator gets its dataset.

    Args:
      made: all such ops of the iterator.
      run: what hooks run.
      tables: what runs with the initializers of tables.
    """
    for found in ([op for op in made if op in run], [op for op in made if op in tables], list(made)):
        if len(found) == 1:
            return found[0]
    raise ValueError(
        f"The input function makes an iterator for {len(made)} datasets, and which of them is meant is not said. "
        "It takes one, or the one whose initializer is in TABLE_INITIALIZERS or is run by a hook. "
        "Make the iterator of the dataset that the mode needs"
    )


def _value(placeholder: tf.Operation, session: InputSession) -> tf.Tensor:
    """What a placeholder [...] is fed."""
    dtype = placeholder.outputs[0].dtype
    if placeholder in session.fed:
        return tf.convert_to_tensor(session.fed[placeholder], dtype)
    if placeholder.inputs:
        return tf.convert_to_tensor(computed(placeholder.inputs[0]), dtype)
    raise ValueError(
        f"The input function makes the placeholder {placeholder.name}, which nothing feeds. "
        "A placeholder is fed by a hook that runs iterator.initializer in after_create_session. "
        "Make the dataset of the arrays themselves, with tf.data.Dataset.from_tensor_slices"
    ) from session.failed
