"""Free ports of this machine for the processes of a job, without races against other jobs and outgoing connections."""

from __future__ import annotations

import errno
import pathlib
import random
import socket
from types import TracebackType

from trainer.job.errors import JobError

LOOPBACK = "127.0.0.1"
_LOWEST = 15000
_EPHEMERAL = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_EPHEMERAL_START = 32768
_TRIES_PER_PORT = 200


class Reservation:
    """TCP ports that were free, and that no other launcher takes while this is open.

    The processes that will listen on the ports need them unbound, so what is held is each port's UDP twin: of two
    launchers one gets it. The ports lie below those that the system gives to outgoing connections, so that nothing
    takes the port of a process that is being restarted. What remains is a server that is started on just this port;
    the process that meets it says so, and the job moves.
    """

    def __init__(self, count: int, rng: random.Random) -> None:
        """Raises JobError when there are not `count` free ports."""
        self._held: list[socket.socket] = []
        try:
            for _ in range(count):
                self._held.append(_take(rng))
        except BaseException:
            self.close()
            raise

    @property
    def ports(self) -> list[int]:
        """Their numbers."""
        return [int(twin.getsockname()[1]) for twin in self._held]

    @property
    def addresses(self) -> list[str]:
        """`host:port` of each, on the loopback interface."""
        return [f"{LOOPBACK}:{port}" for port in self.ports]

    def close(self) -> None:
        """Gives the ports back."""
        for twin in self._held:
            twin.close()

    def __enter__(self) -> Reservation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def is_free(port: int) -> bool:
    """Whether nothing is bound to the TCP port, on any address of this machine."""
    return all(_can_bind(family, port) for family in (socket.AF_INET, socket.AF_INET6))


def _can_bind(family: socket.AddressFamily, port: int) -> bool:
    """Also true where the system has no such addresses."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(("", port))
    except OSError as error:
        return error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
    return True


def _take(rng: random.Random) -> socket.socket:
    first, last = _range()
    for _ in range(_TRIES_PER_PORT):
        port = rng.randint(first, last)
        twin = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            twin.bind((LOOPBACK, port))
        except OSError:
            twin.close()
            continue
        if is_free(port):
            return twin
        twin.close()
    raise JobError(
        f"No free port from {first} to {last} in {_TRIES_PER_PORT} tries",
        None,
        "Stop what listens there (ss -ltn shows it)",
    )


def _range() -> tuple[int, int]:
    """The ports to choose from: those below the ephemeral ones, or usual ones where these begin too low."""
    try:
        start = int(_EPHEMERAL.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        start = _USUAL_EPHEMERAL_START
    if start < _LOWEST + 2000:
        start = _USUAL_EPHEMERAL_START
    return _LOWEST, start - 1
