"""The evaluations of one Estimator: traced once for each kind of batch, however many checkpoints are evaluated."""

from __future__ import annotations

from typing import Any

from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.graph import scaffolds
from trainer.estimator.graph.model_function import ModelFunction
from trainer.estimator.graph.variables import VariableStore
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.inference.inference import Evaluation


class TracedEvaluations:
    """Evaluations of a model function, with their variables.

    Args:
      model: the function.
    """

    def __init__(self, model: ModelFunction) -> None:
        self._model = model
        self._evaluations: dict[str, Evaluation] = {}

    def prepare(self, element_spec: Any, values: StartingValues) -> Evaluation:
        """The evaluation for batches of a kind, before it is known what it will evaluate.

        Args:
          element_spec: of a batch.
          values: what a model starts from, until there is a checkpoint.
        """
        if self._model.config.num_ps_replicas:
            # A chief that joins its servers renames its devices: variables made before that are lost to it.
            return self._trace(element_spec, values)
        return self._kept(element_spec, values)

    def _trace(self, element_spec: Any, values: StartingValues) -> Evaluation:
        """A new one, whose variables a checkpoint will set."""
        store = VariableStore(self._model.config.tf_random_seed, values.given, restored=True)
        return Evaluation(self._model.trace(ModeKeys.EVAL, element_spec, store))

    def _kept(self, element_spec: Any, values: StartingValues) -> Evaluation:
        """The one that all checkpoints are evaluated with."""
        key = repr(element_spec)
        if key not in self._evaluations:
            self._evaluations[key] = self._trace(element_spec, values)
        return self._evaluations[key]

    def ready(self, element_spec: Any, values: StartingValues) -> Evaluation:
        """The evaluation for batches of a kind, with its variables set.

        Args:
          element_spec: of a batch.
          values: what the variables are set to. Without a checkpoint they are made afresh.
        """
        if values.checkpoint is None:
            store = values.new_store(self._model.config.tf_random_seed)
            self._evaluations[repr(element_spec)] = Evaluation(self._model.trace(ModeKeys.EVAL, element_spec, store))
        evaluation = self._kept(element_spec, values)
        values.assign(evaluation.traced.store, evaluation.variables | {"global_step"})
        scaffolds.start(evaluation.traced, restored=values.checkpoint is not None)
        return evaluation
