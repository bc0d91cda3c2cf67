"""A job's replicas as processes of this machine, started, restarted and ended as the service documents it.

https://cloud.google.com/vertex-ai/docs/training/understanding-training-service: a replica that fails is started again
under its name, up to five times, unless its error is a common one, which ends the job; when the primary replica exits
with 0 the job has succeeded, and the others are ended. What a machine of a pool takes away counts as a restart; with
restartJobOnWorkerRestart all replicas are started again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import random
import selectors
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.deadlines import ANSWER_SECS
from tests.runners import places
from tests.runners.places import Place
from tests.vertex.log_entries import LogEntries
from trainer.launch.cluster.child import Child
from trainer.launch.cluster.ports import Reservation

_MOST_RESTARTS = 5
_FIRST_OF_SIGNALS = 128
_POLL_SECS = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machines:
    """What the service's machines are here.

    Attributes:
      programs: by image, what its ENTRYPOINT runs.
      environ: what every process gets besides.
      disks: a folder for what each machine has on its disk.
      python: of a container's command that begins with `python`.
    """

    programs: Mapping[str, Sequence[str]]
    environ: Mapping[str, str]
    disks: pathlib.Path
    python: str = "python"

    def argv(self, container: Mapping[str, Any], args: Sequence[str]) -> list[str]:
        """What a container runs."""
        command = [self.python if word == "python" else word for word in container.get("command") or ()]
        return [*(command or self.programs[container["imageUri"]]), *args]


@dataclasses.dataclass(kw_only=True)
class _Replica:
    place: Place
    argv: list[str]
    environ: dict[str, str]
    child: Child | None = None
    codes: list[int] = dataclasses.field(default_factory=list)


class Replicas(threading.Thread):
    """The replicas of one CustomJob, or of one trial, from their start to the state in which the job ends.

    Args:
      job: as the service has it; its state is changed here.
      machines: on which they run.
      log: gets what they say.
      lock: of all that the service has.
      trial: its id, and the flags that it gets; None for a CustomJob.
      environ: what a trial is told besides.
    """

    def __init__(
        self,
        job: dict[str, Any],
        machines: Machines,
        log: LogEntries,
        lock: threading.RLock,
        *,
        trial: tuple[str, Sequence[str]] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name=job["name"])
        self._job, self._machines, self._log, self._lock = job, machines, log, lock
        self._trial, self._environ = trial, dict(environ or {})
        self._cancelled = threading.Event()
        self._taken: list[str] = []
        self.replicas: dict[str, _Replica] = {}
        self.message: str | None = None

    def stop(self) -> None:
        """Ends them all, as a cancelled job's are."""
        self._cancelled.set()

    def take_machine(self, name: str) -> None:
        """A machine of a pool is taken away: its replica gets SIGTERM, and is started again elsewhere."""
        self._taken.append(name)

    def run(self) -> None:
        with contextlib.ExitStack() as stack:
            count = sum(int((pool or {}).get("replicaCount", 0)) for pool in self._spec["workerPoolSpecs"])
            addresses = stack.enter_context(Reservation(count, random.Random())).addresses
            self._selector = stack.enter_context(selectors.DefaultSelector())
            stack.callback(self._destroy)
            trial, parameters = self._trial or (None, ())
            for place in places.of_vertex(self._job, addresses, trial=trial, parameters=parameters):
                self.replicas[place.name] = self._replica(place)
            self._say("service", "Job is running")
            for replica in self.replicas.values():
                self._start(replica)
            self._set_state("JOB_STATE_RUNNING")
            outcome = self._watched()
        if self._trial is None:
            if self.message:
                self._job["error"] = {"code": 3, "message": self.message}
            self._set_state(outcome)

    @property
    def _spec(self) -> Mapping[str, Any]:
        spec: Mapping[str, Any] = self._job.get("jobSpec") or self._job["trialJobSpec"]
        return spec

    def _replica(self, place: Place) -> _Replica:
        pool = self._spec["workerPoolSpecs"][int(place.name[len("workerpool")])]
        runs = pool.get("containerSpec") or pool["pythonPackageSpec"]
        told = {entry["name"]: entry["value"] for entry in runs.get("env") or ()}
        image = {"imageUri": runs.get("imageUri") or runs["executorImageUri"], "command": runs.get("command")}
        number = f"{self.name.rpartition('/')[2]}-{self._trial[0] if self._trial else ''}"
        disk = {"TRAINER_SCRATCH": str(self._machines.disks / f"{number}-{place.name}")}
        environ = {**self._machines.environ, **disk, **told, **place.environ, **self._environ}
        return _Replica(place=place, argv=self._machines.argv(image, place.argv), environ=environ)

    def _watched(self) -> str:
        deadline = time.monotonic() + 5 * ANSWER_SECS
        primary = next(iter(self.replicas.values()))
        while time.monotonic() < deadline:
            for key, _ in self._selector.select(_POLL_SECS):
                self._pass_on(key.data)
            if self._cancelled.is_set():
                return "JOB_STATE_CANCELLED"
            for name in [self._taken.pop(0) for _ in self._taken]:
                self._take(self.replicas[name])
            for replica in self.replicas.values():
                code = self._ended(replica)
                if code == 0 and replica is primary:
                    return "JOB_STATE_SUCCEEDED"
                if code and not self._restarted(replica, code):
                    self.message = (
                        f"The replica {replica.place.name} exited with a non-zero status of {code}. To find out more "
                        "about why your job exited please check the logs"
                    )
                    return "JOB_STATE_FAILED"
        self.message = f"The job goes on after {5 * ANSWER_SECS} s"
        return "JOB_STATE_FAILED"

    def _restarted(self, replica: _Replica, code: int) -> bool:
        """Starts it again after what is not its own error: signals, of which SIGTERM is one."""
        if code < _FIRST_OF_SIGNALS or len(replica.codes) > _MOST_RESTARTS:
            return False
        self._say("service", f"Restarting {replica.place.name}, which exited with {code}")
        if (self._spec.get("scheduling") or {}).get("restartJobOnWorkerRestart"):
            for other in self.replicas.values():
                if other.child:
                    self._take(other)
                    other.codes.append(self._reaped(other))
                self._start(other)
        else:
            self._start(replica)
        return True

    def _take(self, replica: _Replica) -> None:
        if replica.child:
            replica.child.send(signal.SIGTERM)

    def _start(self, replica: _Replica) -> None:
        replica.child = Child(replica.argv, replica.environ, started_at=time.monotonic())
        self._selector.register(replica.child, selectors.EVENT_READ, replica)

    def _pass_on(self, replica: _Replica) -> None:
        if replica.child is None:
            return
        lines, more = replica.child.read()
        if not more:
            self._selector.unregister(replica.child)
        self._tell(replica, lines)

    def _ended(self, replica: _Replica) -> int | None:
        """The exit code of one that has ended since the last look."""
        if replica.child is None or replica.child.exit_code() is None:
            return None
        replica.codes.append(self._reaped(replica))
        return replica.codes[-1]

    def _reaped(self, replica: _Replica) -> int:
        child, replica.child = replica.child, None
        assert child is not None
        deadline = time.monotonic() + ANSWER_SECS
        while (code := child.exit_code()) is None:
            assert time.monotonic() < deadline
            self._selector.select(_POLL_SECS)
            self._tell(replica, child.read()[0])
        with contextlib.suppress(KeyError):
            self._selector.unregister(child)
        self._tell(replica, child.close())
        return code

    def _tell(self, replica: _Replica, lines: Sequence[str]) -> None:
        for line in lines:
            self._say(replica.place.name, line)

    def _say(self, task: str, text: str) -> None:
        number = self._job["name"].rpartition("/")[2]
        trial = self._trial[0] if self._trial else None
        self._log.say(number, task, text, trial=trial, plain=task == "service")

    def _set_state(self, state: str) -> None:
        if self._trial is None:
            with self._lock:
                self._job["state"] = state

    def _destroy(self) -> None:
        """Whatever still runs gets SIGTERM, and is killed where that does not end it in time."""
        left = [replica for replica in self.replicas.values() if replica.child]
        for replica in left:
            self._take(replica)
        for replica in left:
            replica.codes.append(self._reaped(replica))
