"""A person's input function: called with the arguments that it takes, and what it gives as a dataset."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.arguments import accepted, argument_names
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph.inside.iterators import one_shot_iterators_meet
from trainer.estimator.graph.inside.seeds import seeded

InputFn = Callable[..., Any]


class InputFunction:
    """An input function with the params and the config that it is called with.

    Args:
      function: takes any of `mode, params, config, input_context`; gives a Dataset of features or of (features,
        labels), or such tensors themselves, which are then the same batch for ever.
      params: those of the Estimator; a deep copy goes to every call.
      config: of the run; its seed makes what the function shuffles repeatable.
    """

    def __init__(self, function: InputFn, params: Any, config: RunConfig) -> None:
        self._function, self._params, self._config = function, params, config

    def dataset(self, mode: str, context: tf.distribute.InputContext | None = None) -> tf.data.Dataset:
        """Calls the function, and gives a dataset of features, or of tuples (features, labels).

        Args:
          mode: a value of ModeKeys. In PREDICT, labels are dropped.
          context: which of several pipelines this is. A function that takes no `input_context` makes them all alike,
            so every pipeline is left every so many batches of it. None where there is one pipeline.

        Raises:
          ValueError: it gives tuples of another length than two, or makes an iterator of its dataset.
        """
        dataset = _as_dataset(self._call(mode, context or tf.distribute.InputContext()))
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
        return dataset.map(lambda features, _: features) if no_labels else dataset

    def _call(self, mode: str, context: tf.distribute.InputContext) -> Any:
        arguments = {
            "mode": mode,
            "params": copy.deepcopy(self._params),
            "config": self._config.replace(),
            "input_context": context,
        }
        with seeded(self._config.tf_random_seed), one_shot_iterators_meet(_refuse_iterator):
            return self._function(**accepted(self._function, arguments))


def _as_dataset(given: Any) -> tf.data.Dataset:
    """A dataset of what an input function returned: itself, or the same tensors for ever."""
    if isinstance(given, tf.data.Dataset):
        return given
    return tf.data.Dataset.from_tensors(tuple(given) if isinstance(given, list) else given).repeat()


def _refuse_iterator(dataset: tf.data.Dataset) -> None:
    """Stands for `make_one_shot_iterator` in an input function, whose get_next() would give one batch for ever."""
    raise ValueError(
        f"The input function makes an iterator of {dataset}. It takes the Dataset itself. "
        "Return the Dataset in place of iterator.get_next()"
    )
