"""The node: pods as processes of this machine, from their scheduling to their end, with their lines.

Follows what a kubelet and the scheduler tell of pods: phases and states of containers (`getPhase` in
pkg/kubelet/kubelet_pods.go), ImagePullBackOff and CreateContainerConfigError (pkg/kubelet/images, kuberuntime),
`$(NAME)` in arguments (third_party/forked/golang/expansion), FailedScheduling (pkg/scheduler), SIGTERM and after the
grace SIGKILL.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from tests.control_plane.names import Names
from tests.control_plane.resources import PODS, Manifest
from tests.control_plane.store import Store, now, set_condition

_POLL_SECS = 0.02
_DOUBLE_DOLLAR = "\0"


class _ConfigError(Exception):
    """The container cannot be made: what its environment refers to is missing."""


@dataclasses.dataclass
class _Process:
    child: subprocess.Popen[bytes]
    keeper: threading.Thread
    kill_at: float | None = None


class Kubelet:
    """Runs the pods of a store.

    Args:
      store: has the pods.
      directory: for their lines, and what they have on their disks.
      images: the entry point of each image that can be pulled.
      environ: what every container has besides its own variables.
      secrets: values by `name/key`.
      cpus: of the one node.
      labels: of the one node.
    """

    def __init__(
        self,
        store: Store,
        directory: pathlib.Path,
        *,
        images: Mapping[str, Sequence[str]],
        environ: Mapping[str, str],
        secrets: Mapping[str, str],
        cpus: float,
        labels: Mapping[str, str],
    ) -> None:
        self._labels = labels
        self._store, self._directory, self._images = store, directory, images
        self._environ, self._secrets, self._cpus = environ, secrets, cpus
        self._names = Names(store)
        self._processes: dict[str, _Process] = {}
        self._an_end = threading.Event()

    @property
    def running(self) -> int:
        return len(self._processes)

    def start_pending(self) -> None:
        """Starts what can be started; says of the rest why it cannot."""
        for pod in self._store.listed(PODS):
            if pod["status"]["phase"] != "Pending" or pod["metadata"]["uid"] in self._processes:
                continue
            if "deletionTimestamp" in pod["metadata"]:
                self._store.remove(PODS, pod)
            elif self._fits(pod):
                self._start(pod)

    def wait_for_an_end(self, secs: float) -> None:
        """Returns as soon as a process says nothing more, or after that time; `notice_ends` sees which have ended."""
        self._an_end.wait(secs)
        self._an_end.clear()

    def notice_ends(self) -> None:
        for pod in self._store.listed(PODS):
            process = self._processes.get(pod["metadata"]["uid"])
            if process is None:
                continue
            code = process.child.poll()
            if code is not None:
                _sweep(process.child)
                process.keeper.join()
                del self._processes[pod["metadata"]["uid"]]
                self._end(pod, code if code >= 0 else 128 - code)
            elif "deletionTimestamp" in pod["metadata"]:
                self._press(pod, process)

    def send(self, pod: Manifest, number: signal.Signals) -> None:
        self._processes[pod["metadata"]["uid"]].child.send_signal(number)

    def lines(self, pod: Manifest, follow: bool = False) -> Iterator[tuple[str, bytes]]:
        """The time and the text of each line, as the runtime of containers keeps them."""
        path, uid = self._path(pod), pod["metadata"]["uid"]
        with path.open("rb") as stream:
            while True:
                is_last = not follow or uid not in self._processes
                for line in stream:
                    moment, _, text = line.partition(b" ")
                    yield moment.decode(), text
                if is_last:
                    return
                time.sleep(_POLL_SECS)

    def close(self) -> None:
        for process in self._processes.values():
            _sweep(process.child)
            process.child.wait()
            process.keeper.join()
        self._names.close()

    def _path(self, pod: Manifest) -> pathlib.Path:
        return self._directory / f"{pod['metadata']['name']}.{pod['metadata']['uid']}.log"

    def _fits(self, pod: Manifest) -> bool:
        wanted = _cpus(pod)
        if not pod["spec"].get("nodeSelector", {}).items() <= self._labels.items():
            return self._has_no_node(pod, "1 node(s) didn't match Pod's node affinity/selector.")
        used = sum(_cpus(other) for other in self._store.listed(PODS) if other["status"]["phase"] == "Running")
        if used + wanted <= self._cpus:
            return True
        return self._has_no_node(pod, "1 Insufficient cpu.")

    def _has_no_node(self, pod: Manifest, why: str) -> bool:
        message = f"0/1 nodes are available: {why}"
        set_condition(pod, "PodScheduled", "Unschedulable", message, "False")
        self._store.replace(PODS, pod)
        self._store.event(pod, "FailedScheduling", message, "Warning")
        return False

    def _start(self, pod: Manifest) -> None:
        container = pod["spec"]["containers"][0]
        pod["status"]["startTime"] = now()
        set_condition(pod, "PodScheduled", "", "")
        if container["image"] not in self._images:
            message = f'Back-off pulling image "{container["image"]}": not found'
            self._wait(pod, "ImagePullBackOff", message)
            self._store.event(pod, "Failed", f'Failed to pull image "{container["image"]}": not found', "Warning")
            return
        try:
            argv, environ = self.command(pod, container)
        except _ConfigError as error:
            self._wait(pod, "CreateContainerConfigError", str(error))
            self._store.event(pod, "Failed", f"Error: {error}", "Warning")
            return
        child = subprocess.Popen(
            argv,
            env=environ,
            cwd=self._machine(pod),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        path = self._path(pod)
        path.touch()
        keeper = threading.Thread(target=_keep, args=[child, path, self._an_end], daemon=True)
        keeper.start()
        self._processes[pod["metadata"]["uid"]] = _Process(child, keeper)
        pod["status"]["phase"] = "Running"
        self._set_state(pod, {"running": {"startedAt": now()}})

    def _wait(self, pod: Manifest, reason: str, message: str) -> None:
        self._set_state(pod, {"waiting": {"reason": reason, "message": message}})

    def _set_state(self, pod: Manifest, state: Manifest) -> None:
        container = pod["spec"]["containers"][0]
        before = (pod["status"].get("containerStatuses") or [{}])[0]
        count = before.get("restartCount", 0) + ("terminated" in before.get("state", {}) and "running" in state)
        entry = {"name": container["name"], "image": container["image"], "restartCount": count, "state": state}
        pod["status"]["containerStatuses"] = [entry | {"ready": "running" in state}]
        self._store.replace(PODS, pod)

    def _end(self, pod: Manifest, code: int) -> None:
        reason = "Completed" if code == 0 else "Error"
        if "deletionTimestamp" in pod["metadata"]:
            pod["status"]["phase"] = "Failed"
            self._store.remove(PODS, pod)
            return
        policy = pod["spec"].get("restartPolicy", "Always")
        again = policy == "Always" or (policy == "OnFailure" and code != 0)
        pod["status"]["phase"] = "Pending" if again else ("Succeeded" if code == 0 else "Failed")
        self._set_state(pod, {"terminated": {"exitCode": code, "reason": reason, "finishedAt": now()}})

    def _press(self, pod: Manifest, process: _Process) -> None:
        """SIGTERM first; SIGKILL when the grace is over."""
        if process.kill_at is None:
            process.kill_at = time.monotonic() + pod["spec"].get("terminationGracePeriodSeconds", 30)
            process.child.send_signal(signal.SIGTERM)
        elif time.monotonic() > process.kill_at:
            _sweep(process.child)

    def _machine(self, pod: Manifest) -> pathlib.Path:
        path = self._directory / "machines" / pod["metadata"]["name"]
        path.mkdir(parents=True, exist_ok=True)
        return path

    def command(self, pod: Manifest, container: Manifest) -> tuple[list[str], dict[str, str]]:
        """What is run, with which environment; names and mounted folders are those of this machine."""
        own = {entry["name"]: self._value(pod, entry) for entry in container.get("env", ())}
        own = {name: _expanded(value, own) for name, value in own.items()}
        command = container.get("command") or list(self._images[container["image"]])
        words = [_expanded(word, own) for word in [*command, *container.get("args", ())]]
        namespace = pod["metadata"]["namespace"]
        environ = {name: self._names.resolved(self._here(pod, value), namespace) for name, value in own.items()}
        disk = {"TRAINER_SCRATCH": str(self._machine(pod) / "scratch"), "HOSTNAME": pod["metadata"]["name"]}
        return [self._here(pod, word) for word in words], {**self._environ, **disk, **environ}

    def _value(self, pod: Manifest, entry: Manifest) -> str:
        source = entry.get("valueFrom")
        if not source:
            return str(entry.get("value", ""))
        if reference := source.get("secretKeyRef"):
            name = f"{reference['name']}/{reference['key']}"
            if name not in self._secrets:
                raise _ConfigError(f'secret "{reference["name"]}" not found')
            return self._secrets[name]
        match = re.fullmatch(r"metadata\.labels\['(.+)'\]", source["fieldRef"]["fieldPath"])
        return str(pod["metadata"]["labels"].get(match[1], "")) if match else str(pod["metadata"]["name"])

    def _here(self, pod: Manifest, text: str) -> str:
        """The text with this machine's folders for those that are mounted."""
        kinds = {volume["name"]: volume for volume in pod["spec"].get("volumes", ())}
        for mount in pod["spec"]["containers"][0].get("volumeMounts", ()):
            volume = kinds[mount["name"]]
            shared = "persistentVolumeClaim" in volume
            root = self._directory / "claims" if shared else self._machine(pod) / "volumes"
            folder = root / mount["name"]
            folder.mkdir(parents=True, exist_ok=True)
            text = re.sub(rf"(?<![\w/]){re.escape(mount['mountPath'])}(?![\w])", str(folder), text)
        return text


def _keep(child: subprocess.Popen[bytes], path: pathlib.Path, an_end: threading.Event) -> None:
    """Writes each line behind its time."""
    assert child.stdout is not None
    with child.stdout, path.open("ab", buffering=0) as kept:
        for line in child.stdout:
            moment = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
            kept.write(f"{moment} ".encode() + line.rstrip(b"\n") + b"\n")
    child.wait()
    an_end.set()


def _sweep(child: subprocess.Popen[bytes]) -> None:
    """The process, and what it left in its group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()


def _expanded(text: str, environ: Mapping[str, str]) -> str:
    text = text.replace("$$", _DOUBLE_DOLLAR)
    text = re.sub(r"\$\(([-._a-zA-Z][-._a-zA-Z0-9]*)\)", lambda match: environ.get(match[1], match[0]), text)
    return text.replace(_DOUBLE_DOLLAR, "$")


def _cpus(pod: Manifest) -> float:
    text = str(pod["spec"]["containers"][0].get("resources", {}).get("requests", {}).get("cpu", "0"))
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)
