"""A person's model function: checked when built, called with the arguments that it takes, traced in one mode."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainer.estimator.contract.arguments import accepted, argument_names
from trainer.estimator.contract.export import ServingInputReceiver
from trainer.estimator.contract.hooks import AnyHook
from trainer.estimator.contract.run_config import RunConfig
from trainer.estimator.contract.spec import EstimatorSpec, ModeKeys
from trainer.estimator.contract.supervised_receivers import SupervisedInputReceiver, UnsupervisedInputReceiver
from trainer.estimator.graph import scaffolds, step_counts
from trainer.estimator.graph.feature_keys import sortable
from trainer.estimator.graph.inside.modes import as_the_program
from trainer.estimator.graph.inside.plain_values import unwrapped
from trainer.estimator.graph.session import GraphSession
from trainer.estimator.graph.session_hooks import SessionHooks, open_sessions
from trainer.estimator.graph.tracing import TracedModel, trace
from trainer.estimator.graph.variables import VariableStore

ModelFn = Callable[..., EstimatorSpec]
ReceiverFn = Callable[[], ServingInputReceiver | SupervisedInputReceiver]

_ARGUMENTS = {"features", "labels", "mode", "params", "config"}


class ModelFunction:
    """A model function with the params and the config that it is called with.

    Args:
      function: `model_fn(features, labels, mode, params, config) -> EstimatorSpec`, with a subset of those names.
      params: copied deep going in and at every call; None stands for an empty dict.
      config: a copy of it goes to every call.

    Raises:
      ValueError: it is no function, takes arguments that the contract does not have, or does not take the params.
    """

    def __init__(self, function: ModelFn, params: Any, config: RunConfig) -> None:
        _check(function, params)
        self._function, self._config = function, config
        self._params = copy.deepcopy(params) if params is not None else {}
        self._hooks = SessionHooks()
        self._tells_counts = True

    @property
    def params(self) -> Any:
        """A deep copy."""
        return copy.deepcopy(self._params)

    @property
    def config(self) -> RunConfig:
        """A copy."""
        return self._config.replace()  # not copied deep: a tf.distribute strategy in it cannot be

    def with_hooks(self, hooks: Sequence[AnyHook]) -> ModelFunction:
        """The same function, with hooks of TensorFlow 1 beside those that it gives, which its traces ask."""
        other = copy.copy(self)
        other._hooks = SessionHooks(hooks)
        return other

    def __call__(self, features: Any, labels: Any, mode: str, config: RunConfig | None = None) -> EstimatorSpec:
        """Calls the person's function.

        Args:
          features: nested tensors, as the input function gives them.
          labels: nested tensors; None where there are none.
          mode: a value of ModeKeys.
          config: in place of its own.

        Raises:
          ValueError: labels that the function does not take, or another result than an EstimatorSpec of the mode.
        """
        if labels is not None and "labels" not in argument_names(self._function):
            raise ValueError(
                "The input function gives labels, but the model function takes none. "
                "Add a labels argument, or return features alone"
            )
        # Dicts of its own, from which it may take what it likes.
        features, labels = tf.nest.map_structure(lambda one: one, sortable((features, labels)))
        arguments = {"labels": labels, "mode": mode, "params": self.params, "config": config or self.config}
        with as_the_program():
            spec = self._function(features=features, **accepted(self._function, arguments))
        if not isinstance(spec, EstimatorSpec):
            raise ValueError(f"The model function returned {spec!r}. It returns an EstimatorSpec")
        if spec.mode is None:  # as a function that takes no mode may say
            return EstimatorSpec(**{**spec._asdict(), "mode": mode})
        if spec.mode != mode:
            raise ValueError(
                f"The model function was called in mode {mode!r} and returned an EstimatorSpec of mode {spec.mode!r}. "
                "Hand on the mode that it was called in"
            )
        return spec

    def trace(self, mode: str, element_spec: Any, store: VariableStore, *, xla: bool = False) -> TracedModel:
        """Traces the function on batches of one kind.

        Args:
          mode: a value of ModeKeys.
          element_spec: of a batch: features, or a tuple (features, labels).
          store: gives the variables.
          xla: build loops so that XLA can compile them and their gradients.
        """

        def on_batch(batch: Any) -> tuple[EstimatorSpec, None]:
            features, labels = batch if isinstance(batch, tuple) else (batch, None)
            has_none = isinstance(labels, tuple) and not labels
            labels = None if has_none else unwrapped(labels)
            return self._hooks.adapted(self(unwrapped(features), labels, mode)), None

        traced = trace(on_batch, [element_spec], mode, store, xla=xla)
        scaffolds.settle(traced)
        open_sessions(GraphSession(traced), traced.spec)
        if mode == ModeKeys.TRAIN and self._tells_counts:  # once for all devices and programs of a training
            self._tells_counts = False
            step_counts.report(traced)
        return traced

    def trace_served(self, mode: str, receiver_fn: ReceiverFn, store: VariableStore) -> TracedModel:
        """Traces the function on what clients of a served model send.

        Args:
          mode: a value of ModeKeys.
          receiver_fn: makes the placeholders that clients feed, and the features (and labels) computed from them.
          store: gives the variables.

        Returns:
          The traced model, whose `context` is the receiver.

        Raises:
          ValueError: labels are missing that the function takes in TRAIN and EVAL.
        """

        def on_receiver() -> tuple[EstimatorSpec, Any]:
            with as_the_program():
                receiver = receiver_fn()
            self._check_labels(receiver, mode)
            labels = receiver.labels if isinstance(receiver, SupervisedInputReceiver) else None
            return self(receiver.features, labels, mode), receiver

        traced = trace(on_receiver, [], mode, store)
        scaffolds.settle(traced)
        return traced

    def _check_labels(self, receiver: Any, mode: str) -> None:
        has_labels = isinstance(receiver, SupervisedInputReceiver | UnsupervisedInputReceiver)
        if mode != ModeKeys.PREDICT and not has_labels and "labels" in argument_names(self._function):
            raise ValueError(
                f"The receiver for mode {mode!r} is a {type(receiver).__name__}, which has no labels. "
                "The model function takes labels. Return a SupervisedInputReceiver, "
                "or an UnsupervisedInputReceiver if it does without them"
            )


@dataclasses.dataclass(frozen=True)
class ModelReplica:
    """A model function on one set of variables, which a device trains.

    Attributes:
      model: the function.
      store: the variables.
    """

    model: ModelFunction
    store: VariableStore

    def trace(self, element_spec: Any, xla: bool) -> TracedModel:
        """The function traced for training on batches of one kind; see `ModelFunction.trace`."""
        return self.model.trace(ModeKeys.TRAIN, element_spec, self.store, xla=xla)


def _check(function: Any, params: Any) -> None:
    if not callable(function):
        raise ValueError(f"model_fn is {function!r}. It takes a function")
    names = argument_names(function)
    if "features" not in names:
        raise ValueError(f"model_fn takes {sorted(names)}. It has to take features. Call its first argument features")
    unknown = names - _ARGUMENTS - {"self"}
    if unknown:
        raise ValueError(
            f"model_fn takes {', '.join(sorted(unknown))}. "
            f"A model function takes {', '.join(sorted(_ARGUMENTS))}. Hand over other values in params"
        )
    if params is not None and "params" not in names:
        raise ValueError("params were given, but model_fn takes none. Add a params argument to it, or leave params out")
