"""The lines of a job's pods, of all that there are and of those that come later, in one stream.

Each pod is followed by a kubectl of its own. The connection of such a kubectl is closed after some hours (a kubelet's
`streamingConnectionIdleTimeout` is four), or when the cluster's network is; it is opened again then, from the time of
the last line on.
"""

from __future__ import annotations

import dataclasses
import selectors
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer.launch.cluster.child import Child
from trainer.launch.kubernetes.kubectl import Kubectl

Object = Mapping[str, Any]
Line = tuple[str, str]
"""Who said it, and the text."""
MOST_STREAMS = 50
_POLL_SECS = 0.2
_ENDED = ("Succeeded", "Failed")


@dataclasses.dataclass(kw_only=True)
class _Stream:
    """A pod, and the kubectl that reads it; None where that has ended."""

    name: str
    pod: str
    child: Child | None = None
    last: str = ""  # the time of the newest line
    resumed_after: str = ""  # the same, where the connection broke
    is_done: bool = False


class LogStreams:
    """The streams of one job.

    Args:
      client: of the cluster.
      namespace: of the job.
      tail: how many of the lines that a pod has said already are shown; None for all.
      follow: whether lines to come are waited for.
    """

    def __init__(self, client: Kubectl, namespace: str, tail: int | None = None, *, follow: bool = True) -> None:
        self._client, self._namespace, self._tail, self._follow = client, namespace, tail, follow
        self._streams: dict[str, _Stream] = {}
        self._selector = selectors.DefaultSelector()

    @property
    def are_open(self) -> bool:
        """Whether a kubectl still reads."""
        return any(stream.child is not None for stream in self._streams.values())

    def open(self, pods: Sequence[Object]) -> None:
        """Begins with pods that have started since, and again with those whose connection broke."""
        for pod in pods:
            uid, phase = str(pod["metadata"]["uid"]), (pod.get("status") or {}).get("phase")
            if phase not in ("Running", *_ENDED) or len(self._open) >= MOST_STREAMS:
                continue
            if uid not in self._streams:
                self._streams[uid] = _Stream(name=name(pod), pod=str(pod["metadata"]["name"]))
                self._start(self._streams[uid])
            elif self._streams[uid].child is None and not self._streams[uid].is_done:
                # One more look at a pod that has ended, since its last lines may have come after the break.
                self._streams[uid].is_done = phase in _ENDED
                self._start(self._streams[uid])

    def lines(self, secs: float) -> Iterator[Line]:
        """What comes in that time; less where nothing is open any more."""
        until = time.monotonic() + secs
        while (left := until - time.monotonic()) > 0:
            if not self.are_open:
                time.sleep(left)
                return
            for key, _ in self._selector.select(min(left, _POLL_SECS)):
                yield from self._read(key.data)

    def rest(self, most_secs: float) -> Iterator[Line]:
        """Everything until all of them have ended, or so much time has passed."""
        until = time.monotonic() + most_secs
        while self.are_open and time.monotonic() < until:
            for key, _ in self._selector.select(_POLL_SECS):
                yield from self._read(key.data)

    def close(self) -> None:
        """Ends what still reads."""
        for stream in self._open:
            assert stream.child is not None
            stream.child.destroy()
            stream.child.close()
        self._selector.close()

    @property
    def _open(self) -> list[_Stream]:
        return [stream for stream in self._streams.values() if stream.child is not None]

    def _start(self, stream: _Stream) -> None:
        options = ["--follow"] if self._follow else []
        if stream.last:
            stream.resumed_after = stream.last
            options.append(f"--since-time={stream.last}")
        elif self._tail is not None:
            options.append(f"--tail={self._tail}")
        stream.child = self._client.log_stream(stream.pod, self._namespace, *options)
        self._selector.register(stream.child, selectors.EVENT_READ, stream)

    def _read(self, stream: _Stream) -> Iterator[Line]:
        assert stream.child is not None
        texts, more = stream.child.read()
        if not more:
            self._selector.unregister(stream.child)
            texts += stream.child.close()
            stream.child.destroy()
            stream.child = None
        for text in texts:
            moment, _, line = text.partition(" ")
            # kubectl's own words have no time. Lines of the second in which the connection broke are sent again.
            if _is_moment(moment) and moment > stream.resumed_after:
                stream.last = moment
                yield stream.name, line


def name(pod: Object) -> str:
    """The process that a pod runs: `worker-0`; with its trial before it in a study, alone in a job of one pod."""
    labels = pod["metadata"].get("labels") or {}
    trial, role = labels.get("katib.kubeflow.org/trial"), _role(pod, labels)
    if trial:
        return f"{trial}/{role}" if role else str(trial)
    return role or "chief-0"


def _role(pod: Object, labels: Mapping[str, str]) -> str:
    """Of a TFJob by its labels, of the others by the pod's index; empty where neither says it."""
    if kind := labels.get("training.kubeflow.org/replica-type"):
        return f"{kind}-{labels.get('training.kubeflow.org/replica-index', 0)}"
    entries = [entry for container in pod["spec"]["containers"] for entry in container.get("env") or ()]
    replicas = next((str(entry.get("value")) for entry in entries if entry["name"] == "TRAINER_REPLICAS"), "")
    counts = (part.partition("=") for part in replicas.split(",") if part)
    roles = [f"{role}-{number}" for role, _, count in counts for number in range(int(count))]
    index = int(labels.get("batch.kubernetes.io/job-completion-index", len(roles)))
    return roles[index] if index < len(roles) else ""


def _is_moment(text: str) -> bool:
    return len(text) >= 20 and text[4:5] == "-" and text[10:11] == "T"
