"""Reports the metric of each evaluation to a tuner, through the file of cloudml-hypertune.

The library builds the line, one JSON object. Unlike the library, this module keeps earlier lines (after a restart, and
beyond the library's limit of a hundred), writes no NaN, and reports no evaluation twice. It appends to the file in one
call, because Katib's collector follows the file that it has opened; in a bucket it replaces the object.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import logging
import math
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, MutableSequence, Sequence
from typing import Any

import hypertune

from trainer import storage
from trainer.estimator.saving.job_directory import JobDirectories
from trainer.job import metric_tag, spelling
from trainer.job.errors import UsageError
from trainer.storage import StorageError, own_directory

_log = logging.getLogger(__name__)

DEFAULT_FILE = "/tmp/hypertune/output.metrics"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TunerFile:
    """The file that a tuner (Vertex AI, Katib's JSON collector) reads.

    Attributes:
      path: of the file, local or in a bucket; a relative path starts in the working directory.
      trial: the trial's number, "0" outside of a study.
      tag: the tuner's name of the metric.
      metric: the evaluation's name of it.
      directories: of this process, through which a file in a bucket is written without waiting; None writes it at once.
    """

    path: str = DEFAULT_FILE
    trial: str = "0"
    tag: str
    metric: str
    directories: JobDirectories | None = dataclasses.field(default=None, compare=False)

    def __call__(self, metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        """Reports one evaluation; an evaluation listener of `train_and_evaluate`.

        Where there is nothing to report, or the file cannot be written, a warning says so.

        Args:
          metrics: of the evaluation, with `global_step`.
          checkpoint_path: of the evaluated checkpoint.
        """
        value = metrics.get(self.metric)
        if value is None:
            known = ", ".join(sorted(metrics))
            _log.warning("Not reported to the tuner: the evaluation has no metric %s. It has %s.", self.metric, known)
        elif not math.isfinite(value):
            step = metrics.get("global_step")
            _log.warning("Not reported to the tuner: %s is %s at step %s.", self.tag, value, step)
        else:
            try:
                self.append(float(value), int(metrics["global_step"]), checkpoint_path)
            except StorageError as error:
                _log.warning(
                    "Not reported to the tuner: %s. Set CLOUD_ML_HP_METRIC_FILE to a file that can be written.",
                    error.got,
                )

    def check(self, reported: Sequence[str]) -> None:
        """Raises UsageError where the metric is none of those that evaluations report."""
        if self.metric not in reported:
            called = "" if self.tag == self.metric else f", called {self.tag} there"
            raise UsageError(
                f"The tuner is to be told {self.metric}{called}, which evaluations do not report",
                ", ".join(reported),
                spelling.suggestion(self.metric, reported, "Name one of them in --hyperparameter_metric_tag"),
            )

    def append(self, value: float, global_step: int, checkpoint_path: str) -> bool:
        """Adds a line for an evaluation, unless there is one.

        Args:
          value: of the metric, finite.
          global_step: of the evaluated checkpoint.
          checkpoint_path: of it.

        Returns:
          Whether a line was added.

        Raises:
          StorageError: the file cannot be read or written.
        """
        path = storage.resolved(self.path)
        path = path if storage.is_remote(path) else os.path.abspath(path)
        if path == DEFAULT_FILE:
            own_directory.claim(os.path.dirname(path), "Set CLOUD_ML_HP_METRIC_FILE to a file of your own")
        before = self._read(path).decode("utf-8", errors="replace")
        if (self.trial, str(global_step), checkpoint_path) in self._reported(before):
            return False
        line = self._line(value, global_step, checkpoint_path)
        added = line if not before or before.endswith("\n") else "\n" + line
        if not storage.is_remote(path):
            _append(path, added.encode())
        elif self.directories is not None:
            self.directories.write(path, (before + added).encode())
        else:
            storage.write(path, (before + added).encode())
        return True

    def _read(self, path: str) -> bytes:
        """What is in the file; nothing where there is none."""
        if self.directories is not None:
            return self.directories.read(path) or b""
        try:
            return storage.read(path)
        except storage.NotFoundError:
            return b""

    def _line(self, value: float, global_step: int, checkpoint_path: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "line")
            _OneLine(str(file), self.trial).report_hyperparameter_tuning_metric(
                self.tag, value, global_step, checkpoint_path
            )
            return file.read_text(encoding="utf-8")

    def _reported(self, text: str) -> Iterator[tuple[str, str, str]]:
        """Trial, step and checkpoint of each line that has a value for our tag."""
        for line in text.splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict) and self.tag in record:
                yield str(record.get("trial")), str(record.get("global_step")), str(record.get("checkpoint_path"))


def from_environment(
    environ: Mapping[str, str], metrics: Sequence[str], *, tag: str | None = None, trial: str | None = None
) -> TunerFile:
    """The file that the environment of a trial names.

    Args:
      environ: CLOUD_ML_HP_METRIC_FILE, CLOUD_ML_TRIAL_ID and CLOUD_ML_HP_METRIC_TAG, each of which has a default.
      metrics: what evaluations report, the score first, which is reported where nobody asks for another.
      tag: overrides the variable; None does not.
      trial: as in TF_CONFIG, used where CLOUD_ML_TRIAL_ID is unset.

    Raises:
      UsageError: the tag is none of the metrics.
    """
    asked, metric = metric_tag.chosen(tag, environ, metrics)
    return TunerFile(
        path=environ.get("CLOUD_ML_HP_METRIC_FILE") or DEFAULT_FILE,
        trial=environ.get("CLOUD_ML_TRIAL_ID") or trial or "0",
        tag=asked,
        metric=metric,
    )


class _OneLine(hypertune.HyperTune):
    """The library's reporter, for a file of one line.

    Args:
      metric_path: of the file.
      trial_id: the trial's number.
    """

    def __init__(self, metric_path: str, trial_id: str) -> None:
        # Not super().__init__(), which reads the environment and makes the directory of the tuner's own file.
        self.metric_path = metric_path
        self.trial_id = trial_id
        self.metrics_queue: MutableSequence[dict[str, Any]] = collections.deque(maxlen=1)


def _append(path: str, data: bytes) -> None:
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab", buffering=0) as stream:
            stream.write(data)
            os.fsync(stream.fileno())
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from error
