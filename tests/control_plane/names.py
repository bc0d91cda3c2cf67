"""The cluster's DNS on one machine: names that would resolve become ports of loopback.

A headless Service gives its pods names: `hostname.subdomain` where a pod has both and the Service selects it, and
`service.namespace.svc` for those that it selects (DNS for Services and Pods, in Kubernetes' documentation). What would
not resolve is left as it is, so that a process waits for it in vain as it would in a cluster.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket

from tests.control_plane.resources import PODS, SERVICES, Manifest
from tests.control_plane.store import Store
from trainer.launch.cluster import ports

_ADDRESS = re.compile(r"(?<![\w./-])([a-z0-9][-a-z0-9]*(?:\{index\})?(?:\.[a-z][-a-z0-9]*)+):(\d+)\b")
_INDEX = "{index}"


class Names(contextlib.ExitStack):
    """Addresses for the names of all pods; a name keeps its own, which no other plane gets, until this is closed."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store
        self._ports: dict[tuple[str, str], int] = {}
        self._tens: dict[tuple[str, str], int] = {}

    def resolved(self, text: str, namespace: str) -> str:
        """The text with addresses in place of names that resolve."""

        def one(match: re.Match[str]) -> str:
            host, port = match.groups()
            if _INDEX not in host:
                return (
                    f"127.0.0.1:{self._port(namespace, f'{host}:{port}')}"
                    if self._is_known(host, namespace)
                    else match[0]
                )
            if not self._is_known(host.replace(_INDEX, "0"), namespace):
                return match[0]
            return f"127.0.0.1:{self._ten(namespace, f'{host}:{port}')}{_INDEX}"

        return _ADDRESS.sub(one, text)

    def _is_known(self, host: str, namespace: str) -> bool:
        first, second, *rest = host.split(".")
        if rest[:1] == ["svc"]:
            return bool(self._selected(first, second))
        here = {"hostname": first, "subdomain": second}
        return any(here == {name: pod["spec"].get(name) for name in here} for pod in self._selected(second, namespace))

    def _selected(self, service: str, namespace: str) -> list[Manifest]:
        found = self._store.find(SERVICES, namespace, service)
        selector = found["spec"].get("selector") if found else None
        return self._store.listed(PODS, namespace, selector) if selector else []

    def _port(self, namespace: str, address: str) -> int:
        key = (namespace, address)
        if key not in self._ports:
            (self._ports[key],) = self.enter_context(ports.Reservation(1, random.Random())).ports
        return self._ports[key]

    def _ten(self, namespace: str, address: str) -> int:
        """The tens of ten free ports in a row, since the one {index} of a pattern is in the port here."""
        key = (namespace, address)
        if key not in self._tens:
            candidates = random.sample(range(1600, 3200), 1600)
            self._tens[key] = next(tens for tens in candidates if self._takes(range(10 * tens, 10 * tens + 10)))
        return self._tens[key]

    def _takes(self, numbers: range) -> bool:
        """Holds the UDP twins of these ports, as a reservation does, where all of them are free."""
        with contextlib.ExitStack() as held:
            try:
                for number in numbers:
                    twin = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                    twin.bind((ports.LOOPBACK, number))
            except OSError:
                return False
            if not all(map(ports.is_free, numbers)):
                return False
            self.push(held.pop_all())
        return True
