"""A HyperparameterTuningJob whose trials run here: parameters as flags, the metric read from its file."""

from __future__ import annotations

import json
import pathlib
import random
import threading
from collections.abc import Mapping
from typing import Any

from tests.vertex.log_entries import LogEntries
from tests.vertex.replicas import Machines, Replicas


class Trials(threading.Thread):
    """The trials of one study, as many at a time as it says.

    Args:
      job: as the service has it; its state and its trials are changed here.
      machines: on which replicas run.
      log: gets what they say.
      lock: of all that the service has.
    """

    def __init__(self, job: dict[str, Any], machines: Machines, log: LogEntries, lock: threading.RLock) -> None:
        super().__init__(name=job["name"])
        self._job, self._machines, self._log, self._lock = job, machines, log, lock
        self._random = random.Random(1)
        self._cancelled = threading.Event()
        self._running: list[Replicas] = []

    def stop(self) -> None:
        """Ends those that run, and begins no others."""
        self._cancelled.set()
        for replicas in self._running:
            replicas.stop()

    def run(self) -> None:
        self._job["state"], self._job["trials"] = "JOB_STATE_RUNNING", []
        remaining = list(range(1, int(self._job["maxTrialCount"]) + 1))
        while remaining and not self._cancelled.is_set() and not self._has_failed():
            at_once, remaining = (
                remaining[: int(self._job["parallelTrialCount"])],
                remaining[int(self._job["parallelTrialCount"]) :],
            )
            trials = [self._begun(str(number)) for number in at_once]
            for trial, replicas, metrics in trials:
                replicas.join()
                self._finish(trial, replicas, metrics)
        with self._lock:
            if self._cancelled.is_set():
                self._job["state"] = "JOB_STATE_CANCELLED"
            elif self._has_failed():
                self._job["error"] = {"code": 3, "message": "Too many trials failed"}
                self._job["state"] = "JOB_STATE_FAILED"
            else:
                self._job["state"] = "JOB_STATE_SUCCEEDED"

    def _has_failed(self) -> bool:
        failed = sum(trial["state"] == "INFEASIBLE" for trial in self._job["trials"])
        return failed > int(self._job.get("maxFailedTrialCount") or 0)

    def _begun(self, number: str) -> tuple[dict[str, Any], Replicas, pathlib.Path]:
        values = dict(self._chosen(self._job["studySpec"]["parameters"]))
        parameters = [{"parameterId": name, "value": value} for name, value in values.items()]
        trial: dict[str, Any] = {"id": number, "state": "ACTIVE", "parameters": parameters}
        with self._lock:
            self._job["trials"].append(trial)
        flags = [f"--{name}={value}" for name, value in values.items()]
        metrics = self._machines.disks / f"{self._job['name'].rpartition('/')[2]}-{number}" / "output.metrics"
        replicas = Replicas(
            self._job,
            self._machines,
            self._log,
            self._lock,
            trial=(number, flags),
            environ={"CLOUD_ML_HP_METRIC_FILE": str(metrics)},
        )
        self._running.append(replicas)
        replicas.start()
        return trial, replicas, metrics

    def _chosen(self, parameters: list[dict[str, Any]]) -> Any:
        """Names and values, as the service writes them: numbers of every kind are doubles."""
        for spec in parameters:
            value = self._value(spec)
            yield spec["parameterId"], value
            for conditional in spec.get("conditionalParameterSpecs") or ():
                allowed = next(iter(entry["values"] for key, entry in conditional.items() if key.startswith("parent")))
                if str(value) in map(str, allowed):
                    yield from self._chosen([conditional["parameterSpec"]])

    def _value(self, spec: Mapping[str, Any]) -> object:
        if "doubleValueSpec" in spec:
            return self._random.uniform(spec["doubleValueSpec"]["minValue"], spec["doubleValueSpec"]["maxValue"])
        if "integerValueSpec" in spec:
            bounds = spec["integerValueSpec"]
            return float(self._random.randint(int(bounds["minValue"]), int(bounds["maxValue"])))
        if "categoricalValueSpec" in spec:
            return self._random.choice(spec["categoricalValueSpec"]["values"])
        return float(self._random.choice(spec["discreteValueSpec"]["values"]))

    def _finish(self, trial: dict[str, Any], replicas: Replicas, metrics: pathlib.Path) -> None:
        name = self._job["studySpec"]["metrics"][0]["metricId"]
        lines = metrics.read_text().splitlines() if metrics.exists() else []
        reported = [line for line in map(json.loads, lines) if name in line and line["trial"] == trial["id"]]
        with self._lock:
            if replicas.message or not reported:
                trial["state"], trial["infeasibleReason"] = "INFEASIBLE", replicas.message or f"No {name} was reported"
                return
            last = reported[-1]
            trial["finalMeasurement"] = {
                "stepCount": str(last["global_step"]),
                "metrics": [{"metricId": name, "value": float(last[name])}],
            }
            trial["state"] = "SUCCEEDED"
