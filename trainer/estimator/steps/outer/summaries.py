"""What the steps of one training give as events: the loss, the model function's summaries, and the speed."""

from __future__ import annotations

from trainer.estimator.graph.tracing import TracedModel
from trainer.estimator.saving.events import Events
from trainer.estimator.steps.steps import CallResult
from trainer.estimator.steps.timing.cadence import Cadence, steps_due, steps_to
from trainer.job.goodput import TimeAccount


class Summaries:
    """Events of one training.

    Args:
      events: where they go; None writes nothing.
      cadence: how often.
      start: the global step that training begins at; the first step after it is the first that is written.
    """

    def __init__(self, events: Events | None, cadence: Cadence, start: int) -> None:
        self._events, self._cadence, self._first = events, cadence, start + 1
        self._reported_at: tuple[int, float] | None = None

    def begin(self, now: float) -> None:
        """Marks a start, after which TensorBoard drops later steps of an earlier run."""
        if self._events:
            self._events.started(self._first, now)

    def flush(self) -> None:
        if self._events:
            self._events.flush()

    def close(self) -> None:
        if self._events:
            self._events.close()

    def steps_until_due(self, step: int) -> int | None:
        """Steps until the model function's summaries are due: a call gives those of its last step only."""
        return steps_to(step, self._first, self._cadence.summary_steps)

    def write(self, result: CallResult, traced: TracedModel, step: int, now: float) -> None:
        """Writes what is due in a call.

        Args:
          result: of the call.
          traced: the model that gave it.
          step: the global step after the call.
          now: seconds.
        """
        if not self._events:
            return
        before = step - len(result.losses)
        due = steps_due(before, step, self._first, self._cadence.summary_steps)
        if all(summary.tag != "loss" for summary in traced.summaries):
            for at in due:
                self._events.scalars({"loss": float(result.losses[at - before - 1])}, at, now)
        if step in due:
            for summary in traced.summaries:
                if summary.made is None or result.results[f"made/{summary.tag}"]:
                    value = result.results[f"summary/{summary.tag}"]
                    self._events.tensor(summary.tag, value, summary.metadata, step, now)
        self._write_speed(before, step, now)
        self._events.write_due()

    def write_goodput(self, account: TimeAccount, step: int, now: float) -> None:
        """Writes how much of the job's time made steps that count and the seconds of all activities, if it is recorded.

        Args:
          account: of the time.
          step: the global step.
          now: seconds.
        """
        tally = account.tally(step, now)
        if self._events and account.is_recorded and tally.goodput is not None and step >= self._first:
            seconds = {f"goodput/{activity.value}_secs": secs for activity, secs in tally.secs.items()}
            self._events.scalars({"goodput/share": tally.goodput, **seconds}, tally.step, now)

    def _write_speed(self, before: int, step: int, now: float) -> None:
        """Steps per second since the last report, once a call at the most, at the last step that is due in it."""
        assert self._events
        due = steps_due(before, step, self._first, self._cadence.log_steps)
        if not len(due):
            return
        if self._reported_at is not None and now > self._reported_at[1]:
            reported_step, reported_at = self._reported_at
            speed = (step - reported_step) / (now - reported_at)
            self._events.scalars({"global_step/sec": speed}, due[-1], now)
        self._reported_at = (step, now)
