"""`--profile`: traces some steps, for TensorBoard and for the words at the end of a training."""

from __future__ import annotations

import logging
import pathlib
import tempfile
from typing import Any

import tensorflow as tf

from trainer import storage
from trainer.estimator.contract.hooks import RunContext, RunValues, TrainingHook
from trainer.estimator.graph.inside import traces
from trainer.estimator.steps.monitoring import traced_call
from trainer.job.cluster import Cluster
from trainer.job.distribution import Distribution
from trainer.job.goodput import Activity, TimeAccount
from trainer.job.step_profile import StepProfile

log = logging.getLogger("trainer")

_CALLS_BEFORE = 2
"""Calls before a trace: the first one of a program is not like those that follow."""
_TRACED_SECS, _MOST_STEPS = 0.1, 500


_NOT_MEASURED = {
    Distribution.PS: "what workers and parameter servers did, of which this process traces nothing",
    Distribution.SYNC: "which of the time was spent waiting for other processes",
}


class Profile(TrainingHook):
    """Traces one device call when calls are as fast as they get, and again when what makes them was compiled anew.

    Args:
      folder: where the traces go: `plugins/profile` of a directory that TensorBoard shows.
      cluster: of the job; the traces are named after this process of it.
      account: of the time of this process.
      distribution: how the processes of the job share the work.
    """

    every_n_steps = None

    def __init__(self, folder: str, cluster: Cluster, account: TimeAccount, distribution: Distribution) -> None:
        self._folder, self._account = folder, account
        self._process = "local" if cluster.is_local else f"{cluster.task_type}-{cluster.task_id}"
        self._not_measured = _NOT_MEASURED.get(distribution)
        self._calls, self._compiling, self._traced = 0, 0.0, False
        self._usual_step_secs: float | None = None
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self._last: StepProfile | None = None

    def record(self) -> dict[str, Any] | None:
        """What the last trace shows, and what the time of this process went into; None where no step was traced."""
        if self._last is None:
            log.info("--profile traced no step: training ended with its first calls.")
            return None
        return self._last.record(self._account.of_process(), self._not_measured)

    def before_run(self, run_context: RunContext) -> None:
        if self.every_n_steps is None:
            return
        home = tempfile.TemporaryDirectory(prefix="trainer-profile-")
        try:
            tf.profiler.experimental.start(home.name)
        except tf.errors.AlreadyExistsError:
            log.warning("--profile traces nothing at step %s: something else does.", f"{run_context.global_step:,}")
            home.cleanup()
            return
        self._home = home

    def after_run(self, run_context: RunContext, run_values: RunValues) -> None:
        steps, step = len(run_values.losses), run_values.global_step
        if self._home is not None:
            tf.profiler.experimental.stop()
            self._read(pathlib.Path(self._home.name), step - steps + 1, step)
            self._home.cleanup()
            self._home, self.every_n_steps, self._traced = None, None, True
            return
        self.every_n_steps = None
        compiling = self._account.counted(Activity.COMPILE)
        if compiling != self._compiling:
            self._compiling, self._calls, self._traced = compiling, 0, False
        self._calls += 1
        self._usual_step_secs = run_values.seconds / steps
        if self._calls >= _CALLS_BEFORE and not self._traced:  # the next call is traced, and ends after a few steps
            most = int(_TRACED_SECS / max(self._usual_step_secs, 1e-9))
            self.every_n_steps, self.every_n_steps_from = min(max(most, 1), _MOST_STEPS), step

    def _read(self, home: pathlib.Path, first: int, last: int) -> None:
        """Keeps what was traced; a profile that fails does not end a training."""
        name = f"step_{last}"
        try:
            (file,) = home.rglob("*.xplane.pb")
            storage.upload(str(file), storage.join(self._folder, name, f"{self._process}.xplane.pb"))
            trace = traces.read(file)
            secs, operations = traced_call.parts(trace), traced_call.operations(trace)
            if not secs:
                raise ValueError("there is no device call in it")
        except Exception as error:
            log.warning("The profile of step %s is lost: %s", f"{last:,}", error)
            return
        self._last = StepProfile(
            first_step=first,
            last_step=last,
            secs=secs,
            operations=operations,
            usual_step_secs=self._usual_step_secs,
            trace=storage.join(self._folder, name),
        )
