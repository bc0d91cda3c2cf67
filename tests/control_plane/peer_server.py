"""`python peer_server.py DESCRIPTOR` imports the stand-in once, and forks it for every client, in milliseconds.

The descriptor is a socket that listens; the server ends, with its forks, when its standard input does. A fork has the
environment, the folder and the streams of the client that stands for it (peer_client.py), and does not outlive it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import sys
from typing import NoReturn

from tests.control_plane import peer


def main(descriptor: str) -> None:
    woken, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)  # whose arrival is what wakes
    clients: dict[int, socket.socket] = {}
    with socket.socket(fileno=int(descriptor)) as listener:
        while True:
            readable, _, _ = select.select([listener, sys.stdin, woken, *clients.values()], [], [])
            if woken in readable:
                os.read(woken, 4096)
                _tell_ends(clients)
            for pid in [pid for pid, control in clients.items() if control in readable]:
                os.kill(pid, signal.SIGKILL)  # clients say nothing: this one has ended
                clients.pop(pid).close()
            if listener in readable:
                control, _ = listener.accept()
                clients[_fork(control)] = control
            if sys.stdin in readable:
                break
    for pid in clients:
        os.kill(pid, signal.SIGKILL)


def _tell_ends(clients: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in clients:
                code = os.waitstatus_to_exitcode(status)
                with clients.pop(pid) as control:
                    _say(control, code if code >= 0 else 128 - code)


def _fork(control: socket.socket) -> int:
    client, _, _ = struct.unpack("3i", control.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    pid = os.fork()
    if pid == 0:
        _become(client)
    _say(control, pid)
    return pid


def _say(control: socket.socket, number: int) -> None:
    with contextlib.suppress(ConnectionError):  # of a client that was killed
        control.sendall(f"{number:>16}".encode())


def _become(client: int) -> NoReturn:
    """Runs the stand-in as the client was asked to."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(f"/proc/{client}/cwd")
        os.dup2(os.open(f"/proc/{client}/fd/1", os.O_WRONLY), 1)
        os.dup2(1, 2)
        environ, words = (_parts(f"/proc/{client}/{name}") for name in ("environ", "cmdline"))
        os.environ.clear()
        os.environ.update(entry.split("=", 1) for entry in environ)
        code = peer.main(words[words.index("trainer.task") + 1 :])
    except SystemExit as end:
        code = int(end.code or 0)
    except FileNotFoundError:
        pass  # the client was killed meanwhile
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(code)


def _parts(path: str) -> list[str]:
    with open(path, "rb") as stream:
        return [part.decode() for part in stream.read().split(b"\0")[:-1]]


if __name__ == "__main__":
    main(sys.argv[1])
