"""Reports the metric of each evaluation to a tuner, through cloudml-hypertune's file.

The library builds the line, one JSON object. What it does not do is done here: earlier lines stay (after a restart, and
beyond the library's hundred), no NaN is written, and no evaluation counts twice. A line is added to the file that is
there, in one call, because Katib's collector follows the file that it has opened; in a bucket the object is replaced.
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
from collections.abc import Iterator, Mapping, MutableSequence
from typing import Any

import hypertune

from trainer import storage
from trainer.estimator.saving import job_directory
from trainer.storage import StorageError

_log = logging.getLogger(__name__)

DEFAULT_FILE = "/tmp/hypertune/output.metrics"
DEFAULT_TAG = "rmse"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TunerFile:
    """The file that a tuner (Vertex AI, Katib's JSON collector) reads.

    Attributes:
      path: of the file, local or in a bucket; a bare name lies in the working directory.
      trial: the trial's number, "0" outside of a study.
      tag: what the tuner calls the metric.
    """

    path: str = DEFAULT_FILE
    trial: str = "0"
    tag: str = DEFAULT_TAG

    def __call__(self, metrics: Mapping[str, Any], checkpoint_path: str) -> None:
        """Reports one evaluation; an evaluation listener of `train_and_evaluate`.

        The value is the metric that is called as the tag, else `rmse`. Trouble with the file is only a warning.
        """
        value = metrics.get(self.tag, metrics.get(DEFAULT_TAG))
        if value is None:
            known = ", ".join(sorted(metrics))
            _log.warning("Nothing told to the tuner: the evaluation has no %s. It has %s.", self.tag, known)
        elif not math.isfinite(value):
            _log.warning("Nothing told to the tuner: %s is %s at step %s.", self.tag, value, metrics.get("global_step"))
        else:
            try:
                self.append(float(value), int(metrics["global_step"]), checkpoint_path)
            except StorageError as error:
                _log.warning(
                    "Nothing told to the tuner: %s. Set CLOUD_ML_HP_METRIC_FILE to a file that can be written.",
                    error.got,
                )

    def append(self, value: float, global_step: int, checkpoint_path: str) -> bool:
        """Adds one line, unless this evaluation has one. Returns whether it was added; raises StorageError."""
        path = storage.resolved(self.path)
        path = path if storage.is_remote(path) else os.path.abspath(path)
        before = (job_directory.of_process().read(path) or b"").decode("utf-8", errors="replace")
        if (self.trial, str(global_step), checkpoint_path) in self._reported(before):
            return False
        line = self._line(value, global_step, checkpoint_path)
        added = line if not before or before.endswith("\n") else "\n" + line
        if storage.is_remote(path):
            job_directory.of_process().write(path, (before + added).encode())
        else:
            _append(path, added.encode())
        return True

    def _line(self, value: float, global_step: int, checkpoint_path: str) -> str:
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "line")
            _OneLine(str(file), self.trial).report_hyperparameter_tuning_metric(
                self.tag, value, global_step, checkpoint_path
            )
            return file.read_text(encoding="utf-8")

    def _reported(self, text: str) -> Iterator[tuple[str, str, str]]:
        """Trial, step and checkpoint of each line with our tag."""
        for line in text.splitlines():
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(record, dict) and self.tag in record:
                yield str(record.get("trial")), str(record.get("global_step")), str(record.get("checkpoint_path"))


def from_environment(environ: Mapping[str, str], *, tag: str | None = None, trial: str | None = None) -> TunerFile:
    """The file that the tuner's variables name.

    Args:
      environ: CLOUD_ML_HP_METRIC_FILE, CLOUD_ML_TRIAL_ID and CLOUD_ML_HP_METRIC_TAG, each with a default.
      tag: as the person asked for it, which counts before the variable.
      trial: as TF_CONFIG names it, for where CLOUD_ML_TRIAL_ID is unset.
    """
    return TunerFile(
        path=environ.get("CLOUD_ML_HP_METRIC_FILE") or DEFAULT_FILE,
        trial=environ.get("CLOUD_ML_TRIAL_ID") or trial or "0",
        tag=tag or environ.get("CLOUD_ML_HP_METRIC_TAG") or DEFAULT_TAG,
    )


class _OneLine(hypertune.HyperTune):
    """The library's reporter, for a file of one line; its constructor, which reads the environment, is passed over."""

    def __init__(self, metric_path: str, trial_id: str) -> None:
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
