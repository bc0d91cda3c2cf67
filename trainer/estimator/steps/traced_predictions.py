"""The predictions of an Estimator: traced, with their variables set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph import scaffolds
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps import inference
from trainer.estimator.steps.inference import Prediction


def ready(
    model: ModelFunction, element_spec: Any, values: StartingValues, predict_keys: Sequence[str] | str | None
) -> Prediction:
    """What predicts on batches of a kind.

    Args:
      model: the function.
      element_spec: of a batch: of features alone.
      values: what the variables are set to.
      predict_keys: the predictions wanted; None for all.

    Raises:
      ValueError: no such key, or values that do not fit the model.
    """
    store = values.new_store(model.config.tf_random_seed)
    traced = model.trace(ModeKeys.PREDICT, element_spec, store)
    prediction = inference.prediction(traced, predict_keys)
    values.assign(store, set(prediction.part.variables) & set(store.saved()))
    scaffolds.start(traced, restored=values.checkpoint is not None)
    return prediction
