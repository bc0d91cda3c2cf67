"""The outer loop of training: device calls, and between them hooks, summaries and saves at exactly their steps."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

import tensorflow as tf

from trainer.estimator.contract.hooks import CheckpointSaverListener, RunContext, RunValues, TrainingHook, VariablesHook
from trainer.estimator.steps.compiling.step_function import given_to
from trainer.estimator.steps.diagnosis.finite import Explain, FiniteCheck
from trainer.estimator.steps.monitoring.traced_call import CALL
from trainer.estimator.steps.outer.outputs import Outputs
from trainer.estimator.steps.outer.saves import Saves
from trainer.estimator.steps.outer.summaries import Summaries
from trainer.estimator.steps.steps import CallResult, Steps, StepsLostError
from trainer.estimator.steps.timing.cadence import Pacer, steps_to
from trainer.estimator.steps.timing.stop import Stop, StopReason
from trainer.job.goodput import Activity, TimeAccount

log = logging.getLogger("trainer")


@dataclasses.dataclass
class TrainingLoop:
    """One call of `Estimator.train`.

    Attributes:
      steps: makes the steps.
      stop_at: the global step to end at; None to train to the end of the data.
      outputs: checkpoints and summaries, and how often.
      hooks: around the device calls.
      listeners: around the saves.
      stop: where anything outside asks for the end.
      account: of the time of this process.
      clock: seconds.
      pacer: chooses how long device calls are.
      explain: says why training broke, as `FiniteCheck` takes it; None leaves it out.
    """

    steps: Steps
    stop_at: int | None
    outputs: Outputs
    hooks: Sequence[TrainingHook]
    listeners: Sequence[CheckpointSaverListener]
    stop: Stop
    account: TimeAccount = dataclasses.field(default_factory=TimeAccount)
    clock: Callable[[], float] = time.time
    pacer: Pacer = dataclasses.field(default_factory=Pacer)
    explain: Explain | None = None

    def __post_init__(self) -> None:
        traced, outputs = self.steps.traced, self.outputs
        self._model_hooks = [*traced.spec.training_hooks, *traced.spec.training_chief_hooks]
        self._hooks = [*self.hooks, *self._model_hooks]
        self._store = traced.store
        self._step = self._start = int(traced.store.global_step.numpy())
        self._saves = Saves(outputs.saver, outputs.cadence, self.listeners, self._start, self.clock())
        self._summaries = Summaries(outputs.events, outputs.cadence, self._start)
        self._finite = FiniteCheck(traced.store, self._saves.last_good, self.explain)

    def run(self) -> StopReason:
        """Trains, lets go of what it trained with, and returns why it ended.

        Raises:
          NanLossError: a loss was NaN, or weights are not finite; they are not saved.
        """
        try:
            reason = self._train()
        except StepsLostError as error:
            self._saves.rescue(error.kept, self.clock())
            raise
        finally:
            self._saves.close()
            self.steps.close()
            self._summaries.close()
        self.stop.answer(reason)
        if self._step == self._start and reason is StopReason.DATA_END:
            log.warning("Training made no step: the input function gave no batch.")
        return reason

    def _train(self) -> StopReason:
        for hook in self._hooks:
            if isinstance(hook, VariablesHook):
                hook.variables = self._store.saved()
            hook.begin()
        self._saves.listeners.begin()
        self._summaries.begin(self.clock())
        self._save()
        reason, context = self._make_calls()
        if self._saves.training_ended(self._step):
            self._save(goes_on=False)
        self._saves.listeners.end(self._step)
        for hook in self._hooks:
            hook.end(context)
        self._summaries.flush()
        return reason

    def _make_calls(self) -> tuple[StopReason, RunContext]:
        """Device calls until something ends training: why, and what the hooks saw last."""
        context = RunContext(self._step)
        while True:
            num_steps, stop_code = self.steps.synchronize(self._steps_until_due(), self._stop_code(context))
            if stop_code:
                return StopReason.of_code(stop_code), context
            context = RunContext(self._step)
            for hook in self._hooks:
                hook.before_run(context)
            before = self.clock()
            with self.account.call(), tf.profiler.experimental.Trace(CALL):
                result = self.steps.run(num_steps)
            if len(result.losses):
                self._after_call(context, result, self.clock() - before)
                continue
            self._step = self.steps.global_step()  # steps may count whose losses are lost
            if result.data_ended and (self.stop_at is None or self._step < self.stop_at):
                return StopReason.DATA_END, context

    def _stop_code(self, context: RunContext) -> int:
        """The code of this process's reason to end, 0 for none."""
        if self.stop:
            return StopReason.INTERRUPTED.code
        if self.stop_at is not None and self._step >= self.stop_at:
            return StopReason.MAX_STEPS.code
        return StopReason.EARLY_STOP.code if context.stop_reason else 0

    def _steps_until_due(self) -> int:
        """Steps until something between calls is due, as many as a call may make at the most."""
        due = [
            self.pacer.limit,
            None if self.stop_at is None else self.stop_at - self._step,
            self._saves.schedule.steps_until_due(self._step) if self._saves.on else None,
            self._summaries.steps_until_due(self._step) if self.steps.traced.summaries else None,
            *(steps_to(self._step, hook.every_n_steps_from, hook.every_n_steps) for hook in self._hooks),
        ]
        return min(steps for steps in due if steps is not None)

    def _after_call(self, context: RunContext, result: CallResult, seconds: float) -> None:
        steps_made = len(result.losses)
        self._step = self.steps.global_step()
        self.account.made(steps_made)
        self.pacer.observe(steps_made, seconds)
        self._finite.losses(result.losses, self._step)
        self._summaries.write(result, self.steps.traced, self._step, self.clock())
        for hook in self._hooks:
            results = given_to(hook, self._model_hooks, result.results)
            hook.after_run(context, RunValues(self._step, result.losses, results, seconds))
        saves = self._saves.on and self._saves.schedule.due(self._step, self.clock())
        if self._save() if saves else self._tell_arrived(wait=False):
            context.request_stop("a saving listener asked for it")

    def _save(self, *, goes_on: bool = True) -> bool:
        """Saves; returns whether a listener asks to end."""
        if not self._saves.on or not self._finite.variables(self._step, goes_on=goes_on):
            return False
        asked = self._tell_arrived(wait=True)
        with self.account.spent(Activity.SAVE):
            saved = self._saves.save(self._step, {**self._store.saved(), **self.steps.position()}, self.clock())
        self._summaries.write_goodput(self.account, self._step, self.clock())
        self._summaries.flush()  # before listeners look
        return (saved and self._saves.listeners.after_save(self._step)) or asked

    def _tell_arrived(self, *, wait: bool) -> bool:
        """Tells listeners of a checkpoint that was written beside the steps; returns whether one asks to end."""
        with self.account.spent(Activity.SAVE):
            step = self._saves.arrived(wait=wait)
        if step is None:
            return False
        self._summaries.flush()
        return self._saves.listeners.after_save(step)
