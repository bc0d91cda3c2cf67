"""Evaluations of checkpoints with what follows from them: listeners, exporters, and the final export."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer import storage
from trainer.estimator.contract.hooks import TrainingHook
from trainer.estimator.estimator import Estimator
from trainer.estimator.evaluation.exporters import Exporter
from trainer.estimator.saving.export_store import EXPORTS

InputFn = Callable[..., Any]
EvaluationListener = Callable[[Mapping[str, Any], str], None]


@dataclasses.dataclass
class Evaluations:
    """Evaluates the latest checkpoint when told to.

    Attributes:
      estimator: whose checkpoints.
      input_fn: gives the batches.
      steps: batches in an evaluation; None for all.
      name: of the evaluation.
      hooks: around the device calls.
      exporters: run after each evaluation.
      listeners: told of each evaluation before the exporters run.
      clock: seconds.
      checkpoint: the path that was evaluated last.
      metrics: of the last evaluation.
      export_results: what its exporters gave.
    """

    estimator: Estimator
    input_fn: InputFn
    steps: int | None
    name: str | None
    hooks: Sequence[TrainingHook]
    exporters: Sequence[Exporter]
    listeners: Sequence[EvaluationListener]
    clock: Callable[[], float]
    checkpoint: str | None = None
    metrics: dict[str, Any] | None = None
    export_results: list[bytes | None] | None = None

    def __post_init__(self) -> None:
        self._began = -math.inf
        self._final = False

    def secs_since_last(self) -> float:
        """Seconds since the last evaluation began; infinite before the first."""
        return self.clock() - self._began

    def evaluate(self, final: bool) -> None:
        """Evaluates the latest checkpoint, tells the listeners and exports.

        Args:
          final: whether it is the last one of the job.
        """
        checkpoint = self._latest()
        self.checkpoint, self._began, self._final = checkpoint, self.clock(), final
        metrics = self.estimator.evaluate(
            self.input_fn, steps=self.steps, hooks=self.hooks, checkpoint_path=checkpoint, name=self.name
        )
        self.metrics = _checked_metrics(metrics)
        for listener in self.listeners:
            listener(self.metrics, checkpoint)
        self.export_results = [self._export(exporter, checkpoint, final) for exporter in self.exporters]

    def recall(self, checkpoint: str, metrics: Mapping[str, Any]) -> None:
        """Takes up what an earlier process evaluated last and told its listeners and exporters."""
        self.checkpoint, self.metrics = checkpoint, dict(metrics)
        self.export_results = [None] * len(self.exporters)

    def finish(self) -> None:
        """Evaluates the last checkpoint if it was not, and lets exporters that export the final model do so."""
        latest = self._latest()
        if self.checkpoint != latest:
            self.evaluate(final=True)
        elif not self._final:
            self._export_final(latest)

    def _latest(self) -> str:
        latest = self.estimator.latest_checkpoint()
        assert latest is not None
        return latest

    def _export_final(self, checkpoint: str) -> None:
        """After an evaluation that turned out to be the last one; exporters of every checkpoint had it then."""
        self._final = True
        for index, exporter in enumerate(self.exporters):
            if exporter.only_final and self.export_results is not None:
                self.export_results[index] = self._export(exporter, checkpoint, final=True)

    def _export(self, exporter: Exporter, checkpoint: str, final: bool) -> bytes | None:
        path = storage.join(self.estimator.model_dir, EXPORTS, exporter.name)
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
