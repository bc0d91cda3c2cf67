"""Looks whether evaluations report the score and what a tuner is told: before training, or after its first step."""

from __future__ import annotations

import dataclasses

from trainer.bound_problem import BoundProblem
from trainer.estimator import Estimator
from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.saving.tuner import TunerFile
from trainer.job import spelling
from trainer.job.errors import UsageError

FACT = "metrics"
"""What the names that were looked for are called among the facts of a manifest."""


class MetricsCheck(TrainingHook):
    """Traces an evaluation, so that what is wrong with it is said before anything is trained.

    That takes as long as to trace the training. So a run that goes on makes its first step before, where its checkpoint
    notes that the very same metrics were looked for, and looks after it, as a hook. Where another process evaluates,
    nothing is looked at.

    Args:
      bound: the problem with its settings.
      estimator: that will evaluate.
      tuner_file: names what the tuner is told.
    """

    every_n_steps = None

    def __init__(self, bound: BoundProblem, estimator: Estimator, tuner_file: TunerFile) -> None:
        self._bound, self._estimator, self._tuner = bound, estimator, tuner_file
        config = estimator.config
        self._done = config.task_type != "evaluator" and (not config.is_chief or config.has_evaluator)

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        self.look()

    def look_unless_known(self) -> None:
        """Looks, but may wait for the first step of a run whose checkpoint notes the same names."""
        if (
            self._estimator.config.task_type == "evaluator"
            or looked_for(self._bound, self._tuner) - self._bound.known_metrics
        ):
            self.look()

    def look(self) -> None:
        """Looks, unless it has.

        Raises:
          UsageError: the evaluation does not report the score, or not what the tuner is told.
        """
        if not self._done:
            reported = self._estimator.metric_names(self._bound.input_fn("eval_input_fn"))
            _check_score(self._bound, reported)
            self._tuner.check(reported)
            self._done = True


def looked_for(bound: BoundProblem, tuner_file: TunerFile) -> frozenset[str]:
    """The names that evaluations have to report.

    Args:
      bound: the problem with its settings.
      tuner_file: names what the tuner is told.
    """
    return frozenset({bound.score.name, tuner_file.metric})


def noting(bound: BoundProblem, tuner_file: TunerFile) -> BoundProblem:
    """The problem, whose checkpoints will note these names.

    Args:
      bound: the problem with its settings.
      tuner_file: names what the tuner is told.
    """
    return dataclasses.replace(bound, facts={**bound.facts, FACT: sorted(looked_for(bound, tuner_file))})


def _check_score(bound: BoundProblem, reported: list[str]) -> None:
    """Raises UsageError where the score is none of the names that evaluations report."""
    score = bound.score.name
    if score == bound.asked_score and score not in reported:
        do = spelling.suggestion(score, reported, "Name one of them")
        raise UsageError(f"--score={score}, which evaluations of these data do not report", ", ".join(reported), do)
    if score not in reported:
        otherwise = "Add it to eval_metric_ops, or name another one first"
        raise UsageError(
            f"PROBLEM is scored by {score!r}, but its evaluation reports {', '.join(reported)}",
            "the first of metrics among what eval_metric_ops names, or loss",
            spelling.suggestion(score, reported, otherwise),
        )
