"""MLflow: the run is in the experiment and at the server that MLflow's own variables name.

MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME (default: trainer); https://mlflow.org/docs/latest/ml/tracking.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

_EXPERIMENT = "trainer"
_MOST_PARAMS, _LONGEST = 100, 6000
"""What MLflow takes in a request, and of a value."""
_STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}


class MlflowTracker:
    """A run of MLflow, by its client, which keeps no run of the process's own."""

    def __init__(self) -> None:
        from mlflow import MlflowClient, entities

        self._client, self._entities = MlflowClient(), entities
        self._id = ""

    def begin(self, run_id: str | None, name: str, params: Mapping[str, str]) -> str | None:
        if run_id is None:
            self._id = self._client.create_run(self._experiment(), run_name=name).info.run_id
        else:
            self._id = run_id
            self._client.update_run(run_id, status="RUNNING")
        known: Mapping[str, str] = {} if run_id is None else self._client.get_run(run_id).data.params
        self._log_params({key: value[:_LONGEST] for key, value in params.items() if key not in known})
        for key, value in params.items():
            if key in known and known[key] != value[:_LONGEST]:  # a param of MLflow never changes
                self._client.set_tag(self._id, f"changed.{key}", value[:_LONGEST])
        return self._id

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        now = int(1000 * time.time())
        made = [self._entities.Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=made)

    def end(self, status: str, facts: Mapping[str, str]) -> None:
        for name, value in facts.items():
            self._client.set_tag(self._id, name, value[:_LONGEST])
        self._client.set_terminated(self._id, _STATUS[status])

    def _experiment(self) -> str:
        if os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return os.environ["MLFLOW_EXPERIMENT_ID"]
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        found: Any = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else self._client.create_experiment(name))

    def _log_params(self, params: Mapping[str, str]) -> None:
        made = [self._entities.Param(key, value) for key, value in params.items()]
        for start in range(0, len(made), _MOST_PARAMS):
            self._client.log_batch(self._id, params=made[start : start + _MOST_PARAMS])
