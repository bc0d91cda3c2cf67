"""The Estimator: a model function with a directory, which trains, evaluates, predicts and exports it."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from trainer import storage
from trainer.estimator.contract.hooks import AnyHook, CheckpointSaverListener, check_hooks
from trainer.estimator.contract.model_dir import with_model_dir
from trainer.estimator.contract.run_config import RunConfig, without_meaning
from trainer.estimator.contract.spec import ModeKeys
from trainer.estimator.contract.training_arguments import check_training, checked_listeners, whole_steps
from trainer.estimator.distribution import explainer, strategies
from trainer.estimator.distribution.step_memory import StepMemory
from trainer.estimator.exports import Exports
from trainer.estimator.graph import session_hooks
from trainer.estimator.graph.inside.modes import eagerly
from trainer.estimator.graph.model_function import ModelFn, ModelFunction
from trainer.estimator.saving import evaluation_events, job_directory, newest, ownership
from trainer.estimator.saving.starting_values import StartingValues
from trainer.estimator.steps.inference import inference
from trainer.estimator.steps.inference.traced_evaluations import TracedEvaluations
from trainer.estimator.steps.inference.traced_predictions import TracedPredictions
from trainer.estimator.steps.input.input_function import InputFn, InputFunction
from trainer.estimator.steps.outer.loop import TrainingLoop
from trainer.estimator.steps.outer.outputs import Outputs
from trainer.estimator.steps.plan import TrainingPlan
from trainer.estimator.steps.timing.stop import Stop, StopReason
from trainer.job.goodput import TimeAccount

log = logging.getLogger("trainer")


class Estimator(Exports):
    """Trains, evaluates and exports one model function, and predicts with it, in the contract of tf.estimator.

    Args:
      model_fn: `model_fn(features, labels, mode, params, config) -> EstimatorSpec`, with a subset of those names.
      model_dir: where checkpoints and events go; None takes that of the config, or a temporary directory.
      config: a RunConfig.
      params: handed to the model function, as a deep copy.
      warm_start_from: a checkpoint, a directory, a SavedModel or WarmStartSettings, used while `model_dir` has no
        checkpoint.
      initial_values: what variables start from by name, in place of what the model function gives them. Ours.

    Attributes:
      model_dir: where checkpoints and events go.
      directories: that this process has open.
      directory: of them, the model_dir.
      stop: where anything, in any thread, asks it to end training or an evaluation after the running device call.
      stop_reason: why the last training ended; None before one did, and when there was nothing to train.
      account: of the time of this process, while it trains and evaluates with this Estimator.
      memory: of the last step of a synchronous job, where another process takes this one's place; None elsewhere.
      batches_per_step: batches of the input function in a step of the last training: one for each device in step.

    Raises:
      ValueError: a wrong model function, or two model directories that differ.
    """

    def __init__(
        self,
        model_fn: ModelFn,
        model_dir: str | os.PathLike[str] | None = None,
        config: RunConfig | None = None,
        params: Any = None,
        warm_start_from: Any = None,
        *,
        initial_values: Mapping[str, Any] | None = None,
    ) -> None:
        self._config = with_model_dir(config, model_dir)
        for name in without_meaning(self._config):
            log.info("The RunConfig's %s means nothing: there is no Session.", name)
        self._model = ModelFunction(model_fn, params, self._config)
        self._evaluations, self._predictions = TracedEvaluations(self._model), TracedPredictions(self._model)
        self._strategy: strategies.Strategy | None = None
        self._resumes_position = True
        self.model_dir = os.fspath(self._config.model_dir or "")
        self.directories = job_directory.of_process()
        self.directory = self.directories.at(self.model_dir, ownership.role_of(self._config))
        self._values = StartingValues.of_model(warm_start_from, initial_values, self.directories.at)
        self.stop, self.account = Stop(), TimeAccount()
        self.memory: StepMemory | None = None
        self.stop_reason: StopReason | None = None
        self.batches_per_step = 1

    @property
    def config(self) -> RunConfig:
        """A copy."""
        return self._model.config

    @property
    def params(self) -> Any:
        """A deep copy."""
        return self._model.params

    @property
    def model_fn(self) -> ModelFunction:
        """The model function with its params: called with features, labels, mode and config."""
        return self._model

    def with_model_fn(self, model_fn: ModelFn) -> Estimator:
        """An Estimator of the same directory, settings and values, with another model function."""
        values = self._values
        return Estimator(model_fn, config=self._config, warm_start_from=values.warm_start, initial_values=values.given)

    def _data(self, input_fn: InputFn, mode: str, hooks: Sequence[Any] = ()) -> InputFunction:
        """An input function that is called for a mode, with hooks of TensorFlow 1 that may initialize its iterators."""
        return InputFunction(input_fn, self.params, self._config, hooks)

    def latest_checkpoint(self) -> str | None:
        """The path of the newest whole checkpoint; None when there is none."""
        return self.directory.checkpoints.latest()

    def eval_dir(self, name: str | None = None) -> str:
        """Where the events of an evaluation go."""
        return storage.join(self.model_dir, f"eval_{name}" if name else "eval")

    def get_variable_names(self) -> list[str]:
        """Names in the latest checkpoint. Raises ValueError where there is none."""
        return newest.read(self.directory).names()

    def get_variable_value(self, name: str) -> np.ndarray:
        """The value of a variable in the latest checkpoint.

        Raises:
          ValueError: there is no checkpoint, or no such variable in it.
        """
        return newest.value(self.directory, name)

    @eagerly
    def train(
        self,
        input_fn: InputFn,
        hooks: Sequence[AnyHook] | None = None,
        steps: float | None = None,
        max_steps: float | None = None,
        saving_listeners: Sequence[CheckpointSaverListener] | None = None,
    ) -> Estimator:
        """Trains to the end of the input, or for `steps` more steps, or up to global step `max_steps`.

        The first call of an Estimator resumes at the very batch at which the latest checkpoint stopped; later calls
        begin their input afresh.

        Args:
          input_fn: gives the batches.
          hooks: around the device calls.
          steps: how many more to make.
          max_steps: the global step to end at.
          saving_listeners: around the saves.

        Raises:
          ValueError: wrong steps, saving listeners while saving is off, or a role that does not train.
          RuntimeError: the loss is NaN, or weights are not finite: a `tf.train.NanLossDuringTrainingError`.
        """
        config, self.stop_reason = self._config, None
        check_training(config, steps, max_steps)
        own_hooks, asking, savers = session_hooks.taken_apart(check_hooks(hooks))
        config, saver_listeners = session_hooks.saved_by(config, savers)
        listeners = (*checked_listeners(saving_listeners, config), *saver_listeners)
        self._strategy = self._strategy or strategies.choose(config, self.memory)
        self.batches_per_step = self._strategy.batches_per_step
        with ownership.alone(self.directory, config), self.directories.flushed_at_end():
            latest = ownership.checkpoint_to_continue(self.directory, config, self.stop.request)
            latest, start = self._strategy.resume(latest)
            stop_at = whole_steps(max_steps, "max_steps") if steps is None else start + math.ceil(steps)
            if stop_at is not None and start >= stop_at:
                log.info("Training is skipped: max_steps is %d, and the checkpoint is at step %d.", stop_at, start)
                return self
            plan = TrainingPlan(
                model=self._model.with_hooks(asking),
                data=self._data(input_fn, ModeKeys.TRAIN, asking),
                values=self._values.at(latest),
                config=config,
                position=latest if self._resumes_position and config.resumes_input else None,
                stop_at=stop_at,
                length=stop_at if steps is None else math.ceil(steps),
                account=self.account,
            )
            outputs, begun = Outputs.of(plan, self.directory), self._strategy.begin(plan)
            explain = explainer.Explainer(self._strategy, plan, begun, self.directory, self.stop)
            loop = TrainingLoop(begun, stop_at, outputs, own_hooks, listeners, self.stop, self.account, explain=explain)
            self._resumes_position = False
            self.stop_reason = loop.run()
        return self

    @eagerly
    def evaluate(
        self,
        input_fn: InputFn,
        steps: float | None = None,
        hooks: Sequence[AnyHook] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Metrics of a checkpoint, with `loss` (the mean over batches) and `global_step`.

        Args:
          input_fn: gives the batches.
          steps: how many batches at most; None for all.
          hooks: around the device calls.
          checkpoint_path: None for the latest; without any, fresh or warm-started variables are evaluated.
          name: of this evaluation; its events go to `eval_<name>`.

        Raises:
          ValueError, StopRequestedError: wrong steps, or no batch at all; a stop was asked for.
        """
        most = whole_steps(steps, "steps")
        own_hooks, asking, _ = session_hooks.taken_apart(check_hooks(hooks))
        dataset = self._data(input_fn, ModeKeys.EVAL, asking).dataset(ModeKeys.EVAL)
        values = self._values.at(checkpoint_path or self.latest_checkpoint())
        evaluations = TracedEvaluations(self._model.with_hooks(asking)) if asking else self._evaluations
        evaluation = evaluations.ready(dataset.element_spec, values)
        results = evaluation.run(dataset, most, own_hooks, self.stop)
        with self.directories.flushed_at_end():
            evaluation_events.write_results(self.directories, self.eval_dir(name), results, values.checkpoint)
        return results

    @eagerly
    def metric_names(self, input_fn: InputFn, hooks: Sequence[AnyHook] = ()) -> list[str]:
        """What evaluations report, `loss` and `global_step` included; traces one, and runs nothing.

        Args:
          input_fn: gives the batches.
          hooks: of the evaluations.

        Raises:
          ValueError: the model function or the input function is wrong in EVAL.
        """
        _, asking, _ = session_hooks.taken_apart(check_hooks(hooks))
        dataset = self._data(input_fn, ModeKeys.EVAL, asking).dataset(ModeKeys.EVAL)
        evaluation = self._evaluations.prepare(dataset.element_spec, self._values)
        return [*evaluation.traced.spec.eval_metric_ops, "loss", "global_step"]

    def predict(
        self,
        input_fn: InputFn,
        predict_keys: Sequence[str] | str | None = None,
        hooks: Sequence[AnyHook] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yields predictions, one example or one batch at a time.

        Args:
          input_fn: gives features; labels beside them are dropped.
          predict_keys: the predictions wanted; None for all.
          hooks: around the batches.
          checkpoint_path: None for the latest.
          yield_single_examples: False yields whole batches.

        Raises:
          ValueError: no such key, or batch lengths that differ.
        """
        # What is done for each example is done in the caller's mode: entering another would take longer than the rest.
        for batch in self._predicted_batches(input_fn, predict_keys, hooks, checkpoint_path):
            yield from inference.single_examples(batch) if yield_single_examples else [batch]

    @eagerly
    def _predicted_batches(
        self,
        input_fn: InputFn,
        predict_keys: Sequence[str] | str | None,
        hooks: Sequence[AnyHook] | None,
        checkpoint_path: str | None,
    ) -> Iterator[Any]:
        """The batches of `predict`, with its arguments."""
        own_hooks, asking, _ = session_hooks.taken_apart(check_hooks(hooks))
        dataset = self._data(input_fn, ModeKeys.PREDICT, asking).dataset(ModeKeys.PREDICT)
        values = self._values.at(checkpoint_path or self.latest_checkpoint())
        predictions = TracedPredictions(self._model.with_hooks(asking)) if asking else self._predictions
        with predictions.ready(dataset.element_spec, values, predict_keys) as prediction:
            yield from prediction.batches(dataset, own_hooks)
