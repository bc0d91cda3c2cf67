"""An input function of TensorFlow 1, called in a graph of its own, as tf.estimator called it.

Random ops draw by the number of the step, so that a pipeline that is resumed draws what the unbroken one would have.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.graph import op_table, randomness
from trainer.estimator.graph.input import late_maps, local_values
from trainer.estimator.graph.inside import graphs, iterators, resources
from trainer.estimator.graph.inside.model_graph import InputGraph
from trainer.estimator.graph.subgraphs import ancestors

log = logging.getLogger("trainer")

_SUMMARIES = frozenset({"ScalarSummary", "HistogramSummary", "ImageSummary", "AudioSummary", "TensorSummaryV2"})


@dataclasses.dataclass(frozen=True)
class TracedInput:
    """The graph of an input function.

    Attributes:
      graph: all that the function built.
      given: what it returned: a dataset, or nested tensors and Nones.
      step: the placeholder of the number of the step, int64 [].
      resources: lookup tables that it made, which live as long as this.
    """

    graph: tf.Graph
    given: Any
    step: tf.Tensor
    resources: list[Any]

    @property
    def gives_dataset(self) -> bool:
        """Whether it returned a dataset."""
        return isinstance(self.given, tf.data.Dataset)

    def tensors(self) -> list[tf.Tensor]:
        """The components of what it gives, [...] each; of a dataset its variant []."""
        if self.gives_dataset:
            return [tf.data.experimental.to_variant(self.given)]
        return [part for part in tf.nest.flatten(self.given, expand_composites=True) if part is not None]

    def packed(self, tensors: Sequence[tf.Tensor]) -> Any:
        """Components, [...] each, in the structure in which the function gives them."""
        left = list(tensors)
        parts = tf.nest.flatten(self.given, expand_composites=True)
        flat = [None if part is None else left.pop(0) for part in parts]
        return tf.nest.pack_sequence_as(self.given, flat, expand_composites=True)

    def kept(self, *element: Any) -> Any:
        """An element of a dataset as it is: what is mapped by this keeps the tables that it looks up in."""
        return element if len(element) > 1 else element[0]


def trace_input(call: Callable[[], Any], seed: int | None) -> TracedInput:
    """Calls an input function in a graph.

    Args:
      call: calls it.
      seed: of the run; None for none.

    Raises:
      ValueError: it makes a variable, or uses a tensor of another graph.
    """
    made: dict[str, Any] = {}

    def body(step: tf.Tensor) -> None:
        graph = tf.compat.v1.get_default_graph()
        if seed is not None:
            tf.compat.v1.set_random_seed(seed)
        with (
            resources.listed() as listed,
            randomness.by_step(graph, lambda: step),
            iterators.iterators_meet(lambda dataset: iterators.in_graph(late_maps.moved(dataset))),
            tf.variable_creator_scope(local_values.instead_of_variable),
        ):
            given = call()
            is_dataset = isinstance(given, tf.data.Dataset)
            made["given"] = late_maps.moved(given) if is_dataset else _as_tensors(given, graph)
        made["resources"], made["step"] = listed, step

    graph = graphs.traced("input_fn", body, [tf.TensorSpec([], tf.int64)], {}, kind=InputGraph)
    _check_captures(graph)
    if any(op.type in _SUMMARIES and not _of_queue(op) for op in graph.get_operations()):
        log.warning("The input function makes summaries, which are not written. Make them in the model function.")
    return TracedInput(graph, made["given"], made["step"], made["resources"])


def _of_queue(summary: tf.Operation) -> bool:
    """Whether a summary tells how full a queue is, as `tf.train.batch` makes one."""
    return any(op.type == op_table.QUEUE_SIZE for op in ancestors([summary], set()))


def _as_tensors(given: Any, graph: tf.Graph) -> Any:
    """What an input function gives, with tensors of the graph for values and tuples for lists, which a map would stack.

    Args:
      given: nested.
      graph: of the function.
    """
    if isinstance(given, dict):
        return type(given)((key, _as_tensors(part, graph)) for key, part in given.items())
    if isinstance(given, list | tuple):
        parts = [_as_tensors(part, graph) for part in given]
        return type(given)(*parts) if hasattr(given, "_fields") else tuple(parts)
    if given is None:
        return None
    tensors = given if tf.is_tensor(given) else tf.convert_to_tensor(given)
    return tf.nest.map_structure(graph.capture, tensors, expand_composites=True)


def _check_captures(graph: tf.Graph) -> None:
    """Raises ValueError where a graph that stands alone has made a tensor that the function uses."""
    for outer, _ in graph.captures:
        if type(getattr(outer, "graph", None)) is tf.Graph:
            raise ValueError(
                f"The input function uses {outer.name}, which was made outside of it, in a graph of its own. "
                "It takes arrays, and tensors that it makes itself. Make that tensor in the input function"
            )
