"""A person's input function: called with the arguments that it takes, and what it gives as a dataset.

It is called eagerly, as code of TensorFlow 2 expects. Where it gives tensors that may change, or cannot run so, it is
code of TensorFlow 1, which made a graph that ran at every step: it is called once more, in a graph.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.arguments import accepted, argument_names
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph.feature_keys import sortable
from trainer.estimator.graph.input import kept_rows, late_maps, pipeline
from trainer.estimator.graph.input.local_values import InputVariableError
from trainer.estimator.graph.input.traced import TracedInput, trace_input
from trainer.estimator.graph.inside import eager_ops, generators
from trainer.estimator.graph.inside.iterators import iterators_meet
from trainer.estimator.graph.inside.modes import as_the_program
from trainer.estimator.graph.inside.plain_values import PlainValue, wrapped
from trainer.estimator.graph.inside.seeds import seeded

log = logging.getLogger("trainer")

InputFn = Callable[..., Any]


class InputFunction:
    """An input function with the params and the config that it is called with.

    Args:
      function: takes any of `mode, params, config, input_context`; gives a Dataset of features or of (features,
        labels), or such tensors themselves, which are computed anew at each step.
      params: those of the Estimator; a deep copy goes to every call.
      config: of the run; its seed makes what the function shuffles repeatable.
      hooks: of TensorFlow 1, one of which may run the initializers of iterators.
    """

    def __init__(self, function: InputFn, params: Any, config: RunConfig, hooks: Sequence[Any] = ()) -> None:
        self._function, self._params, self._config, self._hooks = function, params, config, hooks

    def dataset(self, mode: str, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """Calls the function, and gives a dataset of features, or of tuples (features, labels).

        Args:
          mode: a value of ModeKeys. In PREDICT, labels are dropped.
          context: which of several pipelines this is. A function that takes no `input_context` makes them all alike,
            so every pipeline is left every so many batches of it. None where there is one pipeline.

        Raises:
          ValueError: it gives tuples of another length than two, or a pipeline of TensorFlow 1 that no dataset can be.
        """
        dataset = self._dataset(mode, context or tf.distribute.InputContext())
        if context and context.num_input_pipelines > 1 and "input_context" not in argument_names(self._function):
            dataset = dataset.shard(context.num_input_pipelines, context.input_pipeline_id)
        if not isinstance(dataset.element_spec, tuple):
            return dataset
        if len(dataset.element_spec) != 2:
            raise ValueError(
                f"The input function gives tuples of {len(dataset.element_spec)}. "
                "It gives features, or (features, labels), or a Dataset of one of those"
            )
        no_labels = mode == ModeKeys.PREDICT or isinstance(dataset.element_spec[1], tf.NoneTensorSpec)
        if not no_labels:
            return dataset
        # Features that are a tuple themselves would pass for (features, labels), so they keep labels, which are empty.
        is_tuple = isinstance(dataset.element_spec[0], tuple)
        return dataset.map(lambda features, _: (features, ()) if is_tuple else features)

    def _dataset(self, mode: str, context: tf.distribute.InputContext) -> tf.data.Dataset:
        try:
            with iterators_meet(_leave), tf.variable_creator_scope(_made_eagerly), eager_ops.changing() as changing:
                given = self._call(mode, context)
        except _NeedsGraphError:
            return pipeline.dataset_of(self._traced(mode, context), self._hooks)
        except RuntimeError as error:
            if "eager" not in str(error):
                raise
            return pipeline.dataset_of(self._traced(mode, context), self._hooks)
        if isinstance(given, tf.data.Dataset):
            return late_maps.moved(kept_rows.kept(given))
        tensors = [part for part in tf.nest.flatten(given) if tf.is_tensor(part) and not isinstance(part, PlainValue)]
        if not tensors or not changing:
            return _for_ever(given)
        try:
            source = self._traced(mode, context)
        except Exception as error:
            if isinstance(error, InputVariableError) or not tf.executing_eagerly():
                raise
            log.warning("The input function gives the same tensors at every step: it cannot run in a graph: %s", error)
            return _for_ever(given)
        return pipeline.dataset_of(source, self._hooks)

    def _traced(self, mode: str, context: tf.distribute.InputContext) -> TracedInput:
        """The function called in a graph."""
        return trace_input(lambda: self._call(mode, context), self._config.tf_random_seed)

    def _call(self, mode: str, context: tf.distribute.InputContext) -> Any:
        arguments = {
            "mode": mode,
            "params": copy.deepcopy(self._params),
            "config": self._config.replace(),
            "input_context": context,
        }
        with seeded(self._config.tf_random_seed), as_the_program(), generators.in_chunks():
            return wrapped(sortable(self._function(**accepted(self._function, arguments))))


class _NeedsGraphError(Exception):
    """An input function makes an iterator or a local variable of TensorFlow 1, whose values a graph alone knows."""


def _leave(read: Any) -> Any:
    """Stands for the makers of iterators, and what takes from queues, while the function is called eagerly."""
    raise _NeedsGraphError(f"{read} is read as in TensorFlow 1")


def _made_eagerly(make: Callable[..., Any], **arguments: Any) -> Any:
    """Makes a variable while the function is called eagerly; helpers of queues have those of a session."""
    if tf.compat.v1.GraphKeys.LOCAL_VARIABLES in (arguments.get("collections") or ()):
        raise _NeedsGraphError(f"{arguments.get('name')} is a local variable")
    return make(**arguments)


def _for_ever(given: Any) -> tf.data.Dataset:
    """The same element again and again."""
    return tf.data.Dataset.from_tensors(tuple(given) if isinstance(given, list) else given).repeat()
