"""The outer loop of training: device calls, and between them hooks, summaries and saves at just the steps asked for."""

from __future__ import annotations

import dataclasses
import enum
import logging
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np

from trainer.estimator.contract.hooks import CheckpointSaverListener, RunContext, RunValues, TrainingHook, tell
from trainer.estimator.saving.checkpoints import Saver
from trainer.estimator.saving.events import Events
from trainer.estimator.steps.steps import CallResult, Steps
from trainer.job.errors import TrainingError

log = logging.getLogger("trainer")


class StopReason(enum.Enum):
    """Why training ended; of several reasons in several processes the last one here counts."""

    DATA_END = "data_end"
    MAX_STEPS = "max_steps"
    EARLY_STOP = "early_stop"
    INTERRUPTED = "interrupted"


_REASONS = list(StopReason)


class NanLossError(TrainingError, RuntimeError):
    """The loss became NaN."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often things happen, in steps or seconds; None for never.

    Attributes:
      save_steps: steps between checkpoints.
      save_secs: seconds between checkpoints.
      summary_steps: steps between summaries, from the first step on.
      log_steps: steps between reports of the speed, from the first step on.
    """

    save_steps: int | None = None
    save_secs: float | None = None
    summary_steps: int | None = None
    log_steps: int | None = None


def steps_to(step: int, origin: int, every: int | None) -> int | None:
    """Steps from `step` to the next of origin, origin + every, … that lies ahead; None without a cadence."""
    if not every:
        return None
    return origin - step if step < origin else every - (step - origin) % every


@dataclasses.dataclass
class Pacer:
    """Chooses how many steps a call may make.

    One takes about `target` seconds, so that hooks, saves and signals are not kept waiting.
    """

    target: float = 0.5
    limit: int = 1

    def observe(self, steps: int, seconds: float) -> None:
        affordable = max(1, int(steps * self.target / max(seconds, 1e-6)))
        self.limit = min(affordable, self.limit * 16)


class Stop:
    """Where anything, a signal handler included, asks training to end after the running call."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self.reason: str | None = None

    def request(self, reason: str) -> None:
        self.reason = self.reason or reason
        self._asked.set()

    def __bool__(self) -> bool:
        return self._asked.is_set()

    def clear(self) -> None:
        self._asked.clear()
        self.reason = None


@dataclasses.dataclass(frozen=True)
class Outputs:
    """What a process writes while it trains: by default nothing, as all but the chief of a job.

    Attributes:
      cadence: of saves, summaries and reports.
      saver: writes checkpoints; None saves nothing.
      events: where summaries go; None writes none.
    """

    cadence: Cadence = Cadence()
    saver: Saver | None = None
    events: Events | None = None


@dataclasses.dataclass
class TrainingLoop:
    """One call of `Estimator.train`.

    Attributes:
      steps: makes the steps.
      stop_at: the global step to end at; None to train to the end of the data.
      outputs: checkpoints and summaries, and how often.
      hooks: around the device calls.
      listeners: around the saves.
      stop: asked from outside.
      clock: seconds.
    """

    steps: Steps
    stop_at: int | None
    outputs: Outputs
    hooks: Sequence[TrainingHook]
    listeners: Sequence[CheckpointSaverListener]
    stop: Stop
    clock: Callable[[], float] = time.time
    pacer: Pacer = dataclasses.field(default_factory=Pacer)

    def __post_init__(self) -> None:
        spec = self.steps.traced.spec
        self._spec_hooks = [*spec.training_hooks, *spec.training_chief_hooks]
        self._hooks = [*self.hooks, *self._spec_hooks]
        self._store = self.steps.traced.store
        self._step = self._start = int(self._store.global_step.numpy())
        self._saved: int | None = None
        self._saved_at = self.clock()
        self._save_origin = self._start
        self._reason = StopReason.DATA_END
        self._reported_at: tuple[int, float] | None = None
        self._fetched = bool(self.steps.traced.summaries)

    def run(self) -> StopReason:
        """Trains, and lets go of what it trained with.

        Returns:
          Why it ended.

        Raises:
          NanLossError: a loss was NaN; the weights of that call are not saved.
        """
        try:
            self._run()
        finally:
            self.stop.clear()
            self.steps.close()
            if self.outputs.events:
                self.outputs.events.close()
        if self._step == self._start:
            log.warning("Training made no step: the input function gave no batch.")
        return self._reason

    def _run(self) -> None:
        for hook in self._hooks:
            hook.begin()
        for listener in self.listeners:
            listener.begin()
        if self.outputs.events:
            self.outputs.events.started(self._start + 1, self.clock())
        self._save()
        context = self._train()
        if self.outputs.saver and self._saved != self._step:
            self._save()
        for listener in self.listeners:
            tell(listener.end, self._step)
        for hook in self._hooks:
            hook.end(context)
        if self.outputs.events:
            self.outputs.events.flush()

    def _train(self) -> RunContext:
        context = RunContext(self._step)
        while True:
            num_steps, stop_code = self.steps.synchronize(self._steps_until_due(), self._stop_code(context))
            if stop_code:
                self._reason = _REASONS[stop_code]
                return context
            context = RunContext(self._step)
            for hook in self._hooks:
                hook.before_run(context)
            before = self.clock()
            result = self.steps.run(num_steps)
            if len(result.losses):
                self._after_call(context, result, self.clock() - before)
                continue
            self._step = self.steps.global_step()  # steps may count whose losses are lost
            if result.data_ended and (self.stop_at is None or self._step < self.stop_at):
                return context

    def _stop_code(self, context: RunContext) -> int:
        """The place of this process's reason to end in StopReason; 0 for none (data that end are seen by `run`)."""
        if self.stop:
            return _REASONS.index(StopReason.INTERRUPTED)
        if self.stop_at is not None and self._step >= self.stop_at:
            return _REASONS.index(StopReason.MAX_STEPS)
        return _REASONS.index(StopReason.EARLY_STOP) if context.stop_reason else 0

    def _steps_until_due(self) -> int:
        """Steps until something between calls is due."""
        first = self._start + 1
        due = [
            self.pacer.limit,
            None if self.stop_at is None else self.stop_at - self._step,
            steps_to(self._step, self._save_origin, self.outputs.cadence.save_steps) if self.outputs.saver else None,
            steps_to(self._step, first, self.outputs.cadence.summary_steps) if self._fetched else None,
            *(steps_to(self._step, 0, hook.every_n_steps) for hook in self._hooks),
        ]
        return min(steps for steps in due if steps is not None)

    def _after_call(self, context: RunContext, result: CallResult, seconds: float) -> None:
        made = len(result.losses)
        self._step = self.steps.global_step()
        before = self._step - made
        self.pacer.observe(made, seconds)
        self._check_losses(before, result.losses)
        self._write_events(before, result)
        for hook in self._hooks:
            hook.after_run(context, RunValues(self._step, result.losses, self._results(hook, result), seconds))
        if self._save_due() and self._save():
            context.request_stop("a saving listener asked for it")

    def _results(self, hook: TrainingHook, result: CallResult) -> dict[str, np.ndarray]:
        if hook not in self._spec_hooks:
            return {}
        prefix = f"hook/{self._spec_hooks.index(hook)}/"
        return {key.removeprefix(prefix): value for key, value in result.results.items() if key.startswith(prefix)}

    def _check_losses(self, before: int, losses: np.ndarray) -> None:
        bad = np.flatnonzero(np.isnan(losses))
        if not bad.size:
            return
        good = "no checkpoint was saved"
        if self.outputs.saver and self._saved is not None:
            good = f"the last good checkpoint is model.ckpt-{self._saved} in {self.outputs.saver.store.path}"
        raise NanLossError(
            f"The loss is NaN at step {before + int(bad[0]) + 1}; {good}",
            do="Lower the learning rate, clip the gradients, or look for wrong values in the data, and run again",
        )

    def _write_events(self, before: int, result: CallResult) -> None:
        if not self.outputs.events:
            return
        now, first = self.clock(), self._start + 1
        own = {summary.tag for summary in self.steps.traced.summaries}
        for step in self._due(before, first, self.outputs.cadence.summary_steps):
            if "loss" not in own:
                self.outputs.events.scalars({"loss": float(result.losses[step - before - 1])}, step, now)
        if self._step in self._due(before, first, self.outputs.cadence.summary_steps):
            for summary in self.steps.traced.summaries:
                value = result.results[f"summary/{summary.tag}"]
                self.outputs.events.tensor(summary.tag, value, summary.metadata, self._step, now)
        self._write_speed(before, first, now)

    def _due(self, before: int, origin: int, every: int | None) -> range:
        """The steps of the last call, from before + 1 on, at which a cadence falls."""
        distance = steps_to(before, origin, every)
        return range(0) if distance is None else range(before + distance, self._step + 1, every or 1)

    def _write_speed(self, before: int, first: int, now: float) -> None:
        """Steps per second since the last report, once a call at the most, at the last step that is due in it."""
        assert self.outputs.events
        due = self._due(before, first, self.outputs.cadence.log_steps)
        if not len(due):
            return
        if self._reported_at is not None and now > self._reported_at[1]:
            steps, at = self._reported_at
            self.outputs.events.scalars({"global_step/sec": (self._step - steps) / (now - at)}, due[-1], now)
        self._reported_at = (self._step, now)

    def _save_due(self) -> bool:
        if not self.outputs.saver:
            return False
        if self.outputs.cadence.save_secs is not None:
            return self.clock() - self._saved_at >= self.outputs.cadence.save_secs
        every, last = self.outputs.cadence.save_steps, self._save_origin if self._saved is None else self._saved
        return every is not None and (self._step - self._save_origin) // every > (last - self._save_origin) // every

    def _save(self) -> bool:
        """Saves; returns whether a listener asks to end."""
        if not self.outputs.saver:
            return False
        for listener in self.listeners:
            tell(listener.before_save, self._step)
        self._saved_at = self.clock()
        self.outputs.saver.save(self._step, {**self._store.saved(), **self.steps.position()}, self._saved_at)
        self._saved = self._step
        if self.outputs.events:
            self.outputs.events.flush()
        return any([tell(listener.after_save, self._step) for listener in self.listeners])
