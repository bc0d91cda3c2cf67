"""What stands for a Session where code of TensorFlow 1 is handed one: it reads variables and runs ops between calls.

Its graph is that of a trace. What a step computes from its batch is known as of the last step alone, and of the tensors
that the step gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from trainer.estimator.contract.hooks import RunValues
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph import op_table
from trainer.estimator.graph.composites import value_of
from trainer.estimator.graph.inside import graphs, stock_hooks
from trainer.estimator.graph.inside.model_graph import InputGraph
from trainer.estimator.graph.pruning import UnfedError
from trainer.estimator.graph.subgraphs import ancestors

if TYPE_CHECKING:
    from trainer.estimator.graph.tracing import TracedModel


class GraphSession:
    """Runs parts of a traced graph.

    Args:
      traced: the model function.

    Attributes:
      graph: of the trace.
    """

    def __init__(self, traced: TracedModel) -> None:
        self._traced, self.graph = traced, traced.graph
        self._trains = traced.mode == ModeKeys.TRAIN
        self._last: dict[str, Any] = {}
        self._elements: dict[int, tuple[Any, Any]] = {}
        self._parts: dict[Any, Any] = {}

    @property
    def steps_before(self) -> int:
        """Where hooks count from: the global step in training, 0 elsewhere."""
        return self.global_step() if self._trains else 0

    def global_step(self) -> int:
        """Steps made so far."""
        return int(self._traced.store.global_step.numpy())

    def seen(self, values: RunValues) -> None:
        """Remembers what the last step gave, by the names of the tensors."""
        self._last = dict(values.results)
        loss = self._traced.spec.loss
        if loss is not None and len(values.losses):  # which parameter servers tell too, and nothing else
            self._last.setdefault(key_of(loss), values.losses[-1])

    def gives(self, keys: Iterable[str]) -> bool:
        """Whether the last step gave all of these."""
        return all(key in self._last for key in keys)

    def run(self, fetches: Any, feed_dict: Mapping[Any, Any] | None = None, *_: Any, **__: Any) -> Any:
        """The values of the fetches now, in their structure; None for ops. What the last step gave is as it was then.

        Args:
          fetches: nested tensors, variables and ops, or their names.
          feed_dict: values of placeholders.

        Raises:
          ValueError: a fetch needs a batch, and the step does not give it.
        """
        if _is_of_input(fetches):
            return tf.nest.map_structure(lambda _: None, fetches)
        fed = {self._element(key): value for key, value in (feed_dict or {}).items()}
        return self._mapped(lambda fetch: self._value(self._element(fetch), fed, now=True), fetches)

    def of_last_step(self, fetches: Any) -> Any:
        """The values of the fetches in the last step, in their structure; the global step is that before it."""
        return self._mapped(lambda fetch: self._value(self._element(fetch), {}, now=False), fetches)

    def _mapped(self, value: Callable[[Any], Any], fetches: Any) -> Any:
        """The values of fetches, of sparse and ragged tensors [...] as those of their parts."""
        return tf.nest.map_structure(lambda fetch: value_of(fetch, value), fetches)

    def _element(self, fetch: Any) -> Any:
        """What a fetch means here; a variable that is asked for again is read by the same op."""
        if id(fetch) not in self._elements:
            # The fetch is kept, so that its id stays its own.
            self._elements[id(fetch)] = (fetch, element(self.graph, fetch))
        return self._elements[id(fetch)][1]

    def _value(self, found: Any, fed: Mapping[tf.Tensor, Any], *, now: bool) -> Any:
        """The value [...] of an element, with placeholders [...] fed; `now` or in the last step."""
        if found is GLOBAL_STEP:
            return self.global_step() - (1 if self._trains and not now else 0)
        if key_of(found) in self._last:
            return None if isinstance(found, tf.Operation) else self._last[key_of(found)]
        key = (id(found), *map(id, fed))
        try:
            if key not in self._parts:
                operation = isinstance(found, tf.Operation)
                fetches, operations = ((), [found]) if operation else (found, [])
                part = self._traced.prune(fetches, operations, feeds=list(fed), in_program_order=False)
                self._parts[key] = part
        except UnfedError as error:
            raise ValueError(
                f"{found.name} is asked for between two steps, and it needs a batch: {error}. "
                "What a hook wants to see of a step it asks for in every before_run, from the first one on. "
                "Return it there, and look at it when it is time"
            ) from error
        result = self._parts[key](*[tf.convert_to_tensor(value, tensor.dtype) for tensor, value in fed.items()])
        return None if isinstance(found, tf.Operation) else result.numpy()


class _GlobalStep:
    """Stands for the global step, however it is asked for."""


GLOBAL_STEP: Any = _GlobalStep()


def element(graph: tf.Graph, fetch: Any) -> Any:
    """What a fetch means in a graph: a tensor, an op, or GLOBAL_STEP.

    Args:
      graph: of a trace.
      fetch: a tensor, a variable or an op of it, or a name.

    Raises:
      ValueError, KeyError: it is none of those, or of another graph.
    """
    # A hook that began in an earlier trace has tensors of that one; they have the same names here.
    elsewhere = isinstance(fetch, tf.Operation | tf.Tensor) and fetch.graph is not graph
    found = graph.as_graph_element(fetch.name if elsewhere else fetch) if _is_named(fetch) else fetch
    step = tf.compat.v1.train.get_global_step(graph)
    if isinstance(found, tf.Tensor) and found.dtype == tf.resource:
        variables = [step, *graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)]
        handles = {id(outer) for outer, inner in graph.captures if inner is found}
        found = next((variable for variable in variables if id(variable.handle) in handles), found)
    if found is step or any(found is read for read in stock_hooks.step_reads(graph)):
        return GLOBAL_STEP
    if isinstance(found, tf.Operation | tf.Tensor):
        return found
    with graph.as_default():
        return tf.convert_to_tensor(found)


def _is_named(fetch: Any) -> bool:
    return isinstance(fetch, str | tf.Operation | tf.Tensor)


def key_of(found: tf.Tensor | tf.Operation) -> str:
    """The name that a step gives a tensor [...] by, or that an op has run."""
    return f"^{found.name}" if isinstance(found, tf.Operation) else str(found.name)


def outputs(graph: tf.Graph, fetches: Any) -> dict[str, tf.Tensor]:
    """What a step has to give so that the fetches can be seen, [...] each, by key; the others are run when asked for.

    Args:
      graph: that is being traced.
      fetches: nested tensors, variables and ops, or their names.
    """
    given: dict[str, tf.Tensor] = {}
    for fetch in tf.nest.flatten(fetches, expand_composites=True):
        found = GLOBAL_STEP if fetch is None else element(graph, fetch)
        if found is GLOBAL_STEP:
            continue
        operation = found if isinstance(found, tf.Operation) else found.op
        needed = ancestors([operation], set())
        # An update of variables that needs no batch is run when it is asked for, and not in every step.
        writes = isinstance(found, tf.Operation) or any(graphs.accessed(op)[1] for op in needed)
        if writes and not _needs_batch(graph, needed):
            continue
        if isinstance(found, tf.Operation):
            with tf.control_dependencies([found]):
                given[key_of(found)] = tf.constant(0)
        else:
            given[key_of(found)] = found
    return given


def _needs_batch(graph: tf.Graph, ops: set[tf.Operation]) -> bool:
    captured = {inner.op for _, inner in graph.captures}
    return any(op.type in op_table.PLACEHOLDERS and op not in captured for op in ops)


def _is_of_input(fetches: Any) -> bool:
    """Whether fetches are ops of an input function, which have done their part when the pipeline was made."""
    listed = tf.nest.flatten(fetches)
    return bool(listed) and all(isinstance(one, tf.Operation) and isinstance(one.graph, InputGraph) for one in listed)
