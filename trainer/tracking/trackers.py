"""The trackers of one run, told in a thread of its own: one that is slow, down or wrong costs a warning, no step.

The ids of runs are in `trackers.json`, so that a run that is continued goes on in the same run of each tracker.
"""

from __future__ import annotations

import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.saving import events
from trainer.estimator.saving.job_directory import JobDirectory
from trainer.job import records
from trainer.job.config import TrackerKind
from trainer.job.records import DamagedRecordError
from trainer.job.report import Summary
from trainer.job.secrets import scrubbed
from trainer.tracking.hparams_tracker import HparamsTracker
from trainer.tracking.mlflow_tracker import MlflowTracker
from trainer.tracking.tracker import Tracker
from trainer.tracking.wandb_tracker import WandbTracker

RECORD, _EVALUATED = "trackers.json", "evaluated"
_MOST_WAITING = 10_000
_LAST_SECS = {"finished": 30.0, "interrupted": 5.0, "failed": 5.0}
"""How long the end of a process waits for them."""
_EVERY_SECS = 2.0

_log = logging.getLogger(__name__)


class Told:
    """One tracker and the calls that wait for it.

    Args:
      kind: of the tracker.
      made: makes it, in the thread.
    """

    def __init__(self, kind: TrackerKind, made: Callable[[], Tracker]) -> None:
        self._kind, self._made = kind, made
        self._calls: queue.Queue[Callable[[Tracker], None] | None] = queue.Queue(_MOST_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._work, name=f"tracker-{kind.value}", daemon=True)
        self._thread.start()

    def tell(self, call: Callable[[Tracker], None]) -> None:
        """Lets the tracker be called after all calls before; drops it where too many wait."""
        try:
            self._calls.put_nowait(call)
        except queue.Full:
            self._lost += 1

    def end(self, secs: float) -> None:
        """Waits so long until it has been told everything."""
        deadline = time.monotonic() + secs
        try:
            self._calls.put(None, timeout=secs)
        except queue.Full:
            self._lost += 1
        self._thread.join(max(deadline - time.monotonic(), 0.0))
        if self._thread.is_alive():
            _log.warning("%s has not taken everything within %.0f s, and is left.", self._kind.value, secs)
        elif self._lost:
            _log.warning("%s was not told %d times, as said above.", self._kind.value, self._lost)

    def _work(self) -> None:
        tracker: Tracker | None = None
        while (call := self._calls.get()) is not None:
            try:
                tracker = tracker or self._made()
                call(tracker)
            except BaseException as error:  # whatever another package raises: SystemExit too
                self._lost += 1
                if self._lost == 1:
                    _log.warning("%s: %s. Training goes on without it.", self._kind.value, scrubbed(_first(error)))


class Trackers:
    """All trackers of the chief; without any it does nothing.

    Args:
      kinds: which.
      directory: of the run.
      name: of the run, for people.
      params: its settings.
    """

    def __init__(
        self, kinds: Sequence[TrackerKind], directory: JobDirectory, name: str, params: Mapping[str, Any]
    ) -> None:
        self._directory, self._lock = directory, threading.Lock()
        self._facts: Mapping[str, Any] = {"output_dir": directory.path}
        self._record = _recorded(directory) if kinds else {}
        texts = {key: _text(value) for key, value in params.items()}
        self._told = [Told(kind, lambda kind=kind: self._begun(kind, name, texts)) for kind in kinds]  # type: ignore[misc]
        for told in self._told:
            told.tell(lambda tracker: None)  # which begins

    def metrics(self, values: Mapping[str, Any], step: int, prefix: str = "") -> None:
        """Tells figures of a step; those that are not finite numbers are left out.

        Args:
          values: by name.
          step: the global step.
          prefix: of their names.
        """
        known = {f"{prefix}{name}": float(value) for name, value in values.items() if _is_finite(value)}
        if known:
            for told in self._told:
                told.tell(lambda tracker: tracker.metrics(known, step))

    def evaluated(self, metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        """A listener of evaluations.

        Args:
          metrics: of one, with its global_step.
          checkpoint_path: that was evaluated.
        """
        step = int(metrics["global_step"])
        self.metrics({name: value for name, value in metrics.items() if name != "global_step"}, step)

    def results(self, summary: Summary, *, by_others: bool) -> None:
        """Tells what the end of a run says.

        Args:
          summary: of it.
          by_others: whether another process evaluated, whose events are told now, each once.
        """
        if not self._told:
            return
        if by_others:
            self._replay(events.read_scalars(self._directory.events.refresh("eval")))
        step, figures = summary.global_step, (summary.test_metrics, summary.baselines)
        for prefix, values in zip(("test/", "baseline/"), figures, strict=True):
            self.metrics({name: value for name, value in (values or {}).items() if name != "global_step"}, step, prefix)
        self._facts = {
            "output_dir": self._directory.path,
            "checkpoint": summary.checkpoint,
            "export_dir": summary.export_dir,
            "reason": summary.reason,
            **{f"version.{name}": version for name, version in summary.versions.items()},
        }

    def end(self, status: str) -> None:
        """Ends the runs, and waits a little; later calls do nothing.

        Args:
          status: finished, interrupted or failed.
        """
        texts = {key: _text(value) for key, value in self._facts.items() if value is not None}
        ending, self._told = self._told, []
        for told in ending:
            told.tell(lambda tracker: tracker.end(status, texts))
        for told in ending:
            told.end(_LAST_SECS[status])

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, *error: object) -> None:
        self.end("failed")

    def _replay(self, by_step: Mapping[int, Mapping[str, float]]) -> None:
        last = self._record.get(_EVALUATED, -1)
        for step, values in by_step.items():
            if step > last:
                self.metrics(values, step)
        self._keep(_EVALUATED, max(by_step, default=last))

    def _begun(self, kind: TrackerKind, name: str, params: Mapping[str, str]) -> Tracker:
        tracker = self._made(kind)
        begun = tracker.begin(self._record.get(kind.value), name, params)
        if begun is not None:
            self._keep(kind.value, begun)
        return tracker

    def _made(self, kind: TrackerKind) -> Tracker:
        match kind:
            case TrackerKind.MLFLOW:
                return MlflowTracker()
            case TrackerKind.WANDB:
                return WandbTracker(self._directory.local)
            case TrackerKind.TENSORBOARD_HPARAMS:
                return HparamsTracker(self._directory.local, time.time)

    def _keep(self, key: str, value: Any) -> None:
        with self._lock:
            if self._record.get(key) != value:
                self._record[key] = value
                self._directory.records.write(RECORD, records.text(records.sealed(self._record)).encode())


class TrackingHook(TrainingHook):
    """Tells loss and speed of training, every two seconds at the most.

    Args:
      trackers: of the run.
      clock: seconds.
    """

    every_n_steps = None

    def __init__(self, trackers: Trackers, clock: Callable[[], float] = time.monotonic) -> None:
        self._trackers, self._clock = trackers, clock
        self._told: tuple[float, int] | None = None

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        now, step = self._clock(), run_values.global_step
        if not len(run_values.losses) or (self._told is not None and now - self._told[0] < _EVERY_SECS):
            return
        values = {"loss": float(run_values.losses[-1])}
        if self._told is not None:
            values["steps_per_sec"] = (step - self._told[1]) / (now - self._told[0])
        self._told = now, step
        self._trackers.metrics(values, step, "train/")


def _recorded(directory: JobDirectory) -> dict[str, Any]:
    """The ids of an earlier process; none where they cannot be believed."""
    content = directory.records.read(RECORD)
    try:
        kinds = {_EVALUATED: int, **{kind.value: str for kind in TrackerKind}}
        return {} if content is None else records.parsed(content, f"{directory.path}/{RECORD}", {}, kinds)
    except DamagedRecordError as error:
        _log.warning("%s. Trackers begin new runs.", error.got)
        return {}


def _is_finite(value: Any) -> bool:
    try:
        return math.isfinite(value)
    except TypeError:  # an array, a text
        return False


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value))
    return str(getattr(value, "value", value))


def _first(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0]
