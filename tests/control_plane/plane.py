"""The whole control plane, as a test uses it: started, asked, waited for, and ended with everything that it runs."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from tests.control_plane import controllers
from tests.control_plane.admission import admit
from tests.control_plane.kubelet import Kubelet
from tests.control_plane.resources import CORE, NAMESPACES, OPERATORS, PODS, Manifest, Resource
from tests.control_plane.server import Server
from tests.control_plane.store import Refusal, Store, set_condition
from tests.deadlines import ANSWER_SECS

_POLL_SECS = 0.02
_LOOK_SECS = 0.5  # between two passes without a change, for deadlines


class Plane(contextlib.ExitStack):
    """A cluster of one node.

    Args:
      directory: for its files.
      images: the entry point of each image that can be pulled.
      environ: what every container has besides its own variables.
      secrets: values by `name/key`.
      cpus: of the node.
      labels: of the node.
      most_pods: a quota of pods for each namespace; None without one.
      known: the kinds that are installed.
    """

    def __init__(
        self,
        directory: pathlib.Path,
        *,
        images: Mapping[str, Sequence[str]] | None = None,
        environ: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
        cpus: float = 1000.0,
        labels: Mapping[str, str] | None = None,
        most_pods: int | None = None,
        known: tuple[Resource, ...] = (*CORE, *OPERATORS),
    ) -> None:
        super().__init__()
        directory.mkdir(parents=True, exist_ok=True)
        self.store = Store(self._admit)
        self.most_pods, self._trouble = most_pods, list[BaseException]()
        self.kubelet = Kubelet(
            self.store,
            directory,
            images=images or {},
            environ=environ or dict(os.environ),
            secrets=secrets or {},
            cpus=cpus,
            labels=labels or {},
        )
        for name in ("default", "training"):
            self.store.create(NAMESPACES, "", {"metadata": {"name": name}, "status": {"phase": "Active"}})
        self.server = Server(self.store, known, self.kubelet.lines)
        self.callback(self.server.close)
        self.kubeconfig = directory / "kubeconfig"
        self.server.write_kubeconfig(self.kubeconfig)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.callback(self._end)

    def wait_for(self, what: Callable[[], object], secs: float = ANSWER_SECS) -> None:
        """Returns as soon as that is true; fails with what the cluster holds."""
        deadline = time.monotonic() + secs
        with self.store.changed:
            while not what():
                assert not self._trouble, self._trouble
                assert time.monotonic() < deadline, self.told()
                self.store.changed.wait(_LOOK_SECS)

    def pods(self, namespace: str = "default") -> list[Manifest]:
        return self.store.listed(PODS, namespace)

    def said(self, pod: Manifest) -> str:
        return b"".join(text for _, text in self.kubelet.lines(pod)).decode(errors="replace")

    def told(self) -> str:
        """Objects, states and lines, for a test that fails."""
        parts = []
        with self.store.changed:
            for resource in self.server.known:
                for value in self.store.listed(resource):
                    about = value.get("message") or value.get("status", "")
                    parts.append(f"{resource.kind} {value['metadata']['name']}: {about}")
        for path in sorted(self.kubeconfig.parent.glob("*.log")):
            parts.append(f"--- {path.name}\n{path.read_text(errors='replace')[-2000:]}")
        return "\n".join(parts)

    def preempt(self, name: str) -> None:
        """The node of a pod is taken away: `DisruptionTarget`, then SIGTERM to its process."""
        pod = next(pod for pod in self.pods() if pod["metadata"]["name"].startswith(name))
        set_condition(pod, "DisruptionTarget", "PreemptionByScheduler", "preempted")
        self.store.replace(PODS, pod)
        self.kubelet.send(pod, signal.SIGTERM)

    def _admit(self, store: Store, resource: Resource, value: Manifest) -> None:
        admit(store, resource, value)
        if resource == PODS and self.most_pods is not None:
            used = sum(pod["status"]["phase"] in ("Pending", "Running") for pod in store.listed(PODS))
            if used >= self.most_pods:
                name, most = value["metadata"]["name"].rpartition("-")[0], self.most_pods
                quota = f"exceeded quota: compute, requested: pods=1, used: pods={used}, limited: pods={most}"
                raise Refusal(403, "Forbidden", f'pods "{name}" is forbidden: {quota}')

    def _run(self) -> None:
        seen, looked = 0, 0.0
        try:
            while not self._ended.is_set():
                self.kubelet.notice_ends()
                if self.store.version != seen or time.monotonic() > looked + _LOOK_SECS:
                    controllers.settle(self.store)
                    self.kubelet.start_pending()
                    seen, looked = self.store.version, time.monotonic()
                self._ended.wait(_POLL_SECS)
        except BaseException as error:
            self._trouble.append(error)
            raise

    def _end(self) -> None:
        self._ended.set()
        self._thread.join()
        self.kubelet.close()
        assert not self._trouble, self._trouble
