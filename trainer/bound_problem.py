"""A problem with the values of one run: what the Estimator and its exporters are given."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from trainer.estimator import BestExporter, Estimator, Exporter, FinalExporter, LatestExporter, ModeKeys, RunConfig
from trainer.estimator.contract.export import ServingInputReceiver
from trainer.estimator.contract.feature_receiver import receiver_fn_of
from trainer.estimator.steps.diagnosis.nan_loss import NanLossError, Why
from trainer.job.config import DataConfig, ExporterKind
from trainer.job.errors import JobError, UsageError
from trainer.job.score_table import Score
from trainer.problem import Problem, argument_names

log = logging.getLogger("trainer")

_MOST_PLACES = 5
"""Of rows, in a message."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class BoundProblem:
    """What is trained, on which data, with which settings.

    Attributes:
      problem: as the person wrote it.
      data: the flags about files and batches.
      params: the settings of the model.
      schema: what the problem's `describe` returned; None where it has none.
      asked_score: what `--score` names; None leaves it to the problem.
      facts: what each checkpoint notes of the run.
      known_metrics: those that evaluations of the run in the directory were found to report; empty for a new one.
      resumes_input: whether a run that is continued goes on in the middle of its data.
    """

    problem: Problem
    data: DataConfig
    params: Any
    schema: Any
    asked_score: str | None = None
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    known_metrics: frozenset[str] = frozenset()
    resumes_input: bool = True

    @property
    def score(self) -> Score:
        """The metric that a model of these data is judged by."""
        problem, asked = self.problem, self.asked_score
        name = asked or next(iter(problem.metrics))
        if problem.score_of is not None and (asked is None or "asked" in argument_names(problem.score_of)):
            name = self.ask("score_of", name, asked=asked)
        if name not in problem.metrics:
            accept, do = ", ".join(problem.metrics), "Name one of them, or add it to metrics"
            raise UsageError(f"score_of of PROBLEM returned {name!r}", accept, do)
        return Score(name=name, maximizes=problem.metrics[name] == "max")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of what evaluations report, the score first."""
        score = self.score.name
        return (score, *(name for name in self.problem.metrics if name != score))

    @property
    def directions(self) -> dict[str, str]:
        """Whether "max" or "min" of each of those is better, in that order."""
        return {name: self.problem.metrics[name] for name in self.metrics}

    def estimator(self, config: RunConfig) -> Estimator:
        """The Estimator of the problem.

        Args:
          config: of the run, with its model_dir.
        """
        problem = self.problem
        config = config.replace(checkpoint_facts=self.facts, resumes_input=self.resumes_input)
        if problem.model_fn is None:
            made = problem.call("make_estimator", config=config, **self._given)
            if not isinstance(made, Estimator):
                raise UsageError(
                    f"make_estimator of PROBLEM returned {made!r}",
                    "an Estimator",
                    "Return model_to_estimator(…), or Estimator(…)",
                )
            return made
        model_fn = self._bound(problem.model_fn, "data", "schema")
        params = self.params if "params" in argument_names(problem.model_fn) else None
        return Estimator(model_fn, config=config, params=params, warm_start_from=problem.warm_start_from)

    def input_fn(self, name: str) -> Callable[..., tf.data.Dataset]:
        """An input function for the Estimator, which gives it mode, config and input_context.

        Args:
          name: `train_input_fn`, `eval_input_fn` or `test_input_fn`.
        """
        return self._bound(getattr(self.problem, name), *self._given)

    def dataset(self, name: str) -> Any:
        """What an input function gives to an evaluation; None where the problem has no such function.

        Args:
          name: `eval_input_fn` or `test_input_fn`.
        """
        if getattr(self.problem, name) is None:
            return None
        taken = argument_names(getattr(self.problem, name))
        return self.input_fn(name)(**({"mode": ModeKeys.EVAL} if "mode" in taken else {}))

    def serving_input_receiver_fn(self) -> Callable[[], ServingInputReceiver]:
        """What clients send: as the problem says, else the features that evaluation has.

        Raises:
          UsageError: it does not say, and these features cannot be sent.
        """
        if self.problem.serving_input_receiver_fn is not None:
            return self._bound(self.problem.serving_input_receiver_fn, *self._given)
        dataset = self.dataset("eval_input_fn")
        spec = dataset.element_spec if isinstance(dataset, tf.data.Dataset) else None
        return receiver_fn_of(spec[0] if isinstance(spec, tuple) else spec)

    def exporters(self, kinds: tuple[ExporterKind, ...], config: RunConfig) -> list[Exporter]:
        """Those that were asked for, and the problem's own.

        Args:
          kinds: as `--exporter` names them.
          config: of the run.
        """
        receiver_fn = self.serving_input_receiver_fn() if kinds else None
        made = [_exporter(kind, receiver_fn, self.score) for kind in kinds]
        return [*made, *self.ask("exporters", (), config=config)]

    def ask(self, name: str, otherwise: Any, **given: Any) -> Any:
        """What an optional function of the problem gives.

        Args:
          name: of the function, such as `hooks`.
          otherwise: what there is where the problem has none.
          given: what it may take beside data, params and schema.
        """
        has_one = getattr(self.problem, name) is not None
        return self.problem.call(name, **given, **self._given) if has_one else otherwise

    def fault(self, message: str) -> JobError | None:
        """The fault in the data behind an InvalidArgumentError with this message; None where they are not to blame."""
        fault: JobError | None = self.ask("locate_fault", None, message=message)
        return fault

    @property
    def _given(self) -> dict[str, Any]:
        return {"data": self.data, "params": self.params, "schema": self.schema}

    def _bound(self, function: Callable[..., Any], *names: str) -> Callable[..., Any]:
        taken = argument_names(function)
        return functools.partial(function, **{name: self._given[name] for name in names if name in taken})


def _exporter(kind: ExporterKind, receiver_fn: Any, score: Score) -> Exporter:
    match kind:
        case ExporterKind.LATEST:
            return LatestExporter(kind.value, receiver_fn)
        case ExporterKind.BEST:
            mode = "max" if score.maximizes else "min"
            return BestExporter(kind.value, receiver_fn, metric=score.name, mode=mode)
        case ExporterKind.FINAL:
            return FinalExporter(kind.value, receiver_fn)


@contextlib.contextmanager
def faults_located(bound: BoundProblem) -> Iterator[None]:
    """Within it, errors of training name the lines of the files that led to them, where those are known."""
    try:
        yield
    except NanLossError as error:
        raise error.at(_places(bound, error.why)) from error
    except tf.errors.InvalidArgumentError as error:
        fault = bound.fault(str(error))
        raise (error if fault is None else fault) from error


def _places(bound: BoundProblem, why: Why) -> tuple[str, ...]:
    """Where the rows to blame for a NaN stand in the files; empty where that is not known."""
    if bound.problem.locate_rows is None or why.number is None or not why.rows:
        return ()
    number, rows = why.number, why.rows[:_MOST_PLACES]
    which = {"batch": number.index, "pipeline": number.pipeline, "pipelines": number.pipelines}
    try:
        return tuple(bound.problem.call("locate_rows", rows=rows, **which, data=bound.data, schema=bound.schema))
    except Exception as error:  # a person's function, called while another failure is being told
        log.warning("Where these rows stand in the files is not known (%s: %s).", type(error).__name__, error)
        return ()
