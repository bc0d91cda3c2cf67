"""The predictions of one Estimator: traced once for a kind of batch, whatever checkpoints are asked one after another.

Tracing a model and its loop takes longer than predicting a hundred thousand rows of a small one. What was traced is
kept between calls where calling it again gives what a new trace would: its variables are set anew, and nothing else in
it changes. While a person reads predictions it belongs to that call, so that another one makes its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph import op_table, randomness, scaffolds
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.inference import inference
from trainer.estimator.steps.inference.inference import Prediction

_MOST_BYTES_KEPT = 1 << 28
"""Of variables; more of them are let go when the predictions have been read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Kind:
    """Of predictions: what one trace serves.

    Attributes:
      batch: the element spec of the batches, as text.
      keys: of the predictions that are wanted; None for all.
    """

    batch: str
    keys: tuple[str, ...] | None


class TracedPredictions:
    """Predictions of a model function, with their variables.

    Args:
      model: the function.
    """

    def __init__(self, model: ModelFunction) -> None:
        self._model = model
        self._idle: dict[_Kind, tuple[TracedModel, Prediction]] = {}

    @contextlib.contextmanager
    def ready(
        self, element_spec: Any, values: StartingValues, predict_keys: Sequence[str] | str | None
    ) -> Iterator[Prediction]:
        """Inside, what predicts on batches of a kind.

        Args:
          element_spec: of a batch: of features alone.
          values: what the variables are set to.
          predict_keys: the predictions wanted; None for all.

        Raises:
          ValueError: no such key, or values that do not fit the model.
        """
        keys = [predict_keys] if isinstance(predict_keys, str) else predict_keys
        kind = _Kind(batch=repr(element_spec), keys=tuple(keys) if keys else None)
        # Without a checkpoint the variables are those that the model function makes.
        kept = self._idle.pop(kind, None) if values.checkpoint is not None else None
        traced, prediction = kept or self._traced(element_spec, values, predict_keys)
        values.assign(traced.store, set(prediction.part.variables) & set(traced.store.saved()))
        scaffolds.start(traced, restored=values.checkpoint is not None)
        try:
            yield prediction
        finally:
            if not self._model.config.num_ps_replicas and _is_repeatable(traced, prediction):
                self._idle = {kind: (traced, prediction)}

    def _traced(
        self, element_spec: Any, values: StartingValues, predict_keys: Sequence[str] | str | None
    ) -> tuple[TracedModel, Prediction]:
        """A new trace on batches of a kind. Arguments as of `ready`."""
        store = values.new_store(self._model.config.tf_random_seed)
        traced = self._model.trace(ModeKeys.PREDICT, element_spec, store)
        return traced, inference.prediction(traced, predict_keys)


def _is_repeatable(traced: TracedModel, prediction: Prediction) -> bool:
    """Whether predictions of other values can be had of the same trace: nothing but its variables tells calls apart."""
    variables = [traced.store.by_name[name] for name in prediction.part.variables]
    known = all(variable.shape.is_fully_defined() for variable in variables)
    if prediction.hooks or randomness.hides_state(traced.graph) or not known:
        return False
    saved = prediction.part.variables <= traced.store.saved().keys()
    written = any(op_table.is_update(op) for op in prediction.part.graph.get_operations())
    num_bytes = sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)
    return saved and not written and num_bytes <= _MOST_BYTES_KEPT
