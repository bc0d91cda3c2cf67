"""Whether the other processes of a cluster can be reached: all asked at once, in bounded time."""

from __future__ import annotations

import dataclasses
import enum
import socket
import threading
import time
from collections.abc import Callable, Iterable

from trainer.job import addresses

TIMEOUT_SECS = 2.0
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and empty settings


class Answer(enum.Enum):
    """The outcome of an attempt to connect."""

    LISTENS = "listens"
    REFUSED = "no process listens there"
    UNKNOWN = "no such host"
    SILENT = f"no answer in {TIMEOUT_SECS:g} s"
    FAILED = "cannot be reached"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reached:
    """The answer of one address, and the system's words where it failed otherwise."""

    address: str
    answer: Answer
    detail: str | None = None


def ask(addresses: Iterable[str], timeout_secs: float = TIMEOUT_SECS) -> list[Reached]:
    """Connects to every `host:port` at once and waits no longer than `timeout_secs` for all together.

    A name server that does not answer cannot be interrupted, so threads that are late are left to themselves.
    """
    return _at_once(addresses, timeout_secs, _connect)


def greet(addresses: Iterable[str], timeout_secs: float = TIMEOUT_SECS) -> list[Reached]:
    """As `ask`, and waits for a word of each: of a process that is stopped the system still accepts connections.

    The word is the first of HTTP/2, which every gRPC server gives by itself, however busy its program is.
    """
    return _at_once(addresses, timeout_secs, _greet)


def _at_once(addresses: Iterable[str], timeout_secs: float, connect: Callable[[str, float], Reached]) -> list[Reached]:
    wanted = list(addresses)
    answers: dict[str, Reached] = {}
    threads = [
        threading.Thread(target=lambda at=address: answers.update({at: connect(at, timeout_secs)}), daemon=True)
        for address in wanted
    ]
    deadline = time.monotonic() + timeout_secs
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0))
    return [answers.get(address) or Reached(address=address, answer=Answer.SILENT) for address in wanted]


def _greet(address: str, timeout_secs: float) -> Reached:
    def exchange(connection: socket.socket) -> None:
        connection.sendall(_GREETING)
        connection.recv(1)

    return _connect(address, timeout_secs, exchange)


def _connect(
    address: str, timeout_secs: float, exchange: Callable[[socket.socket], None] = lambda connection: None
) -> Reached:
    try:
        with socket.create_connection(addresses.split(address), timeout=timeout_secs) as connection:
            exchange(connection)
            return Reached(address=address, answer=Answer.LISTENS)
    except ConnectionRefusedError:
        return Reached(address=address, answer=Answer.REFUSED)
    except (socket.gaierror, UnicodeError):
        return Reached(address=address, answer=Answer.UNKNOWN)
    except TimeoutError:
        return Reached(address=address, answer=Answer.SILENT)
    except OSError as error:
        return Reached(address=address, answer=Answer.FAILED, detail=error.strerror or str(error))
