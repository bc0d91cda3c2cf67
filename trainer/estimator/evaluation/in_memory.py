"""Evaluation inside of a training, of the variables as they are in memory: it waits for no checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from trainer.estimator.contract.hooks import AnyHook, RunContext, RunValues, VariablesHook, check_hooks
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.contract.training_arguments import whole_steps
from trainer.estimator.estimator import Estimator
from trainer.estimator.graph import scaffolds, session_hooks
from trainer.estimator.saving import evaluation_events
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.inference.inference import Evaluation
from trainer.estimator.steps.inference.traced_evaluations import TracedEvaluations
from trainer.estimator.steps.input.input_function import InputFn, InputFunction
from trainer.job.goodput import Activity

log = logging.getLogger("trainer")


class InMemoryEvaluatorHook(VariablesHook):
    """Evaluates before the first step of a training, every so many steps, and after the last one.

    The results are in the events of evaluations, where early stopping looks for them too.

    Args:
      estimator: that is trained; on one machine.
      input_fn: gives the batches to evaluate on.
      steps: how many batches at most; None for all.
      hooks: of the evaluations.
      name: of these evaluations; their events go to `eval_<name>`.
      every_n_iter: steps of training between two of them.

    Raises:
      ValueError: `every_n_iter` is below 1, or the training has several processes.
    """

    def __init__(
        self,
        estimator: Estimator,
        input_fn: InputFn,
        steps: float | None = None,
        hooks: Sequence[AnyHook] | None = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ) -> None:
        if every_n_iter is None or every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}. It takes a number of steps, 1 or more")
        config = estimator.config
        if config.num_ps_replicas > 0 or config.num_worker_replicas > 1:
            raise ValueError(
                f"InMemoryEvaluatorHook was given an Estimator of {config.num_worker_replicas} workers and "
                f"{config.num_ps_replicas} parameter servers. It supports only single machine training. "
                "Use train_and_evaluate, whose evaluator reads checkpoints"
            )
        self.every_n_steps = every_n_iter
        self._estimator, self._input_fn, self._name = estimator, input_fn, name
        self._most, self._hooks = whole_steps(steps, "steps"), check_hooks(hooks)

    def begin(self) -> None:
        """Traces the evaluation.

        Raises:
          ValueError: its Scaffold reads or sets variables in a way of its own.
        """
        estimator, (own, asking, _) = self._estimator, session_hooks.taken_apart(self._hooks)
        self._own_hooks = own
        self._data = InputFunction(self._input_fn, estimator.params, estimator.config, asking)
        evaluations = TracedEvaluations(estimator.model_fn.with_hooks(asking))
        element_spec = self._data.dataset(ModeKeys.EVAL).element_spec
        # Traced once, and given the variables of the training before each evaluation.
        self._evaluation = evaluations.prepare(element_spec, StartingValues())
        _check_scaffold(self._evaluation)
        self._evaluated: int | None = None
        self.every_n_steps_from = self._step() if self.variables else 0

    def before_run(self, run_context: RunContext) -> None:
        if self._evaluated is None:
            self._evaluate()

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        assert self.every_n_steps is not None  # it is given when built
        if (run_values.global_step - self.every_n_steps_from) % self.every_n_steps == 0:
            self._evaluate()

    def end(self, run_context: RunContext) -> None:
        if self._evaluated != self._step():
            self._evaluate()

    def _step(self) -> int:
        return int(self.variables["global_step"].numpy())

    def _evaluate(self) -> None:
        """Evaluates the variables as they are, and writes the results.

        Raises:
          ValueError: the evaluation reads variables that the training does not have.
        """
        estimator, evaluation = self._estimator, self._evaluation
        wanted = {*evaluation.variables, "global_step"}
        if missing := sorted(wanted - set(self.variables)):
            raise ValueError(
                f"The evaluation reads {', '.join(missing)}, which the training does not have. InMemoryEvaluatorHook "
                "takes all values from the training. Make the same variables in TRAIN and EVAL"
            )
        for name in wanted:
            evaluation.traced.store.by_name[name].assign(self.variables[name].read_value())
        scaffolds.start(evaluation.traced, restored=True)
        dataset = self._data.dataset(ModeKeys.EVAL)
        with estimator.account.spent(Activity.EVALUATE):
            results = evaluation.run(dataset, self._most, self._own_hooks, estimator.stop)
        log.info("Evaluated in memory: %s", {name: value for name, value in results.items() if np.ndim(value) == 0})
        evaluation_events.write_results(estimator.directories, estimator.eval_dir(self._name), results, None)
        self._evaluated = self._step()


def _check_scaffold(evaluation: Evaluation) -> None:
    """Raises ValueError where the values of an evaluation would not be those of the training."""
    scaffold = evaluation.traced.spec.scaffold
    for field in ("saver", "init_fn"):
        if getattr(scaffold, field) is not None:
            raise ValueError(
                f"InMemoryEvaluatorHook does not support custom {field}: the model function gives a Scaffold with one "
                "in EVAL, and the hook takes all values from the training as they are. Leave it out, or evaluate "
                "checkpoints with train_and_evaluate"
            )
