"""Evaluations of checkpoints with what follows from them: listeners, exporters, and the final export."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer import storage
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation.best_exporter import BestExporter
from trainer.estimator.evaluation.exporters import Exporter, LatestExporter
from trainer.estimator.evaluation.specs import EvalSpec, checked_exporters
from trainer.estimator.saving.tuner import TunerFile
from trainer.job.goodput import Activity
from trainer.job.layout import EXPORTS

_HAVE_EXPORTED_THEN = (LatestExporter.export, BestExporter.export)
"""Exporters to which it makes no difference that a checkpoint was the last one."""
EvaluationListener = Callable[[Mapping[str, Any], str], None]


@dataclasses.dataclass
class Evaluations:
    """Evaluates a checkpoint when told to.

    Attributes:
      estimator: whose checkpoints.
      spec: what to evaluate on, and the exporters that run afterwards.
      listeners: called with the metrics and the checkpoint's path after each evaluation, before the exporters run.
      clock: seconds.
      checkpoint: the path that was evaluated last.
      metrics: of the last evaluation.
      export_results: what its exporters gave.
    """

    estimator: Estimator
    spec: EvalSpec
    listeners: Sequence[EvaluationListener] = ()
    clock: Callable[[], float] = time.monotonic
    checkpoint: str | None = None
    metrics: dict[str, Any] | None = None
    export_results: list[bytes | None] | None = None

    def __post_init__(self) -> None:
        self._exporters = checked_exporters(self.spec.exporters)
        self._began = -math.inf
        self._final = False

    def check_listeners(self) -> None:
        """Raises UsageError where a tuner is to be told a metric that evaluations do not report."""
        files = [listener for listener in self.listeners if isinstance(listener, TunerFile)]
        if files:
            reported = self.estimator.metric_names(self.spec.input_fn, self.spec.hooks)
            for file in files:
                file.check(reported)

    def secs_since_last(self) -> float:
        """Seconds since the last evaluation began; infinite before the first."""
        return self.clock() - self._began

    def evaluate(self, final: bool, checkpoint: str | None = None) -> None:
        """Evaluates a checkpoint, tells the listeners and exports.

        Args:
          final: whether it is the last one of the job.
          checkpoint: its path; None for the latest.
        """
        checkpoint = checkpoint or self._latest()
        self.checkpoint, self._began, self._final = checkpoint, self.clock(), final
        spec = self.spec
        with self.estimator.account.spent(Activity.EVALUATE):
            metrics = self.estimator.evaluate(
                spec.input_fn, steps=spec.steps, hooks=spec.hooks, checkpoint_path=checkpoint, name=spec.name
            )
        self.metrics = _checked_metrics(metrics)
        for listener in self.listeners:
            listener(self.metrics, checkpoint)
        self.export_results = [self._export(exporter, checkpoint, final) for exporter in self._exporters]

    def recall(self, checkpoint: str, metrics: Mapping[str, Any]) -> None:
        """Takes up what an earlier process evaluated last, of which its listeners and exporters heard."""
        self.checkpoint, self.metrics = checkpoint, dict(metrics)
        self.export_results = [None] * len(self._exporters)

    def finish(self) -> None:
        """Evaluates the last checkpoint if it was not, and lets exporters that export the final model do so."""
        latest = self._latest()
        if self.checkpoint != latest:
            self.evaluate(final=True)
        elif not self._final:
            self._export_final(latest)

    def _latest(self) -> str:
        latest = self.estimator.latest_checkpoint()
        assert latest is not None  # this is called after saves
        return latest

    def _export_final(self, checkpoint: str) -> None:
        """After an evaluation that turned out to be the last one, which the exporters had without knowing that."""
        self._final = True
        results = self.export_results or [None] * len(self._exporters)
        for index, exporter in enumerate(self._exporters):
            if type(exporter).export not in _HAVE_EXPORTED_THEN:
                results[index] = self._export(exporter, checkpoint, final=True) or results[index]
        self.export_results = results

    def _export(self, exporter: Exporter, checkpoint: str, final: bool) -> bytes | None:
        path = storage.join(self.estimator.model_dir, EXPORTS, exporter.name)
        with self.estimator.account.spent(Activity.EXPORT):
            return exporter.export(self.estimator, path, checkpoint, self.metrics or {}, final)


def _checked_metrics(metrics: Any) -> dict[str, Any]:
    if not isinstance(metrics, Mapping) or not metrics:
        raise ValueError(f"The evaluation gave {metrics!r}. It has to give a dict of metrics. Return one from evaluate")
    if "global_step" not in metrics:
        raise ValueError(
            f"The evaluation gave {', '.join(metrics)}, and no global_step. It has to give the step of the checkpoint. "
            "Return global_step from evaluate too"
        )
    return dict(metrics)
