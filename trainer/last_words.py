"""Lets a process speak that a library aborts, as TensorFlow does when its C++ code gets no memory.

No Python runs in such a process any more, in the thread that is aborted. But faulthandler, in C, writes where it was,
and it writes into a small socket here. Its many short writes wait a moment for another thread, which meanwhile says
what is safe and leaves `failure.json`. Where that thread cannot run, because the aborted one holds the interpreter,
each write gives up at once, and the process ends as it would have.

    aborted thread   handler of SIGABRT: "Fatal Python error: Aborted", then each line of the stack … ends the process
    this thread               └ reads the first words, prints ours, writes failure.json, prints the stack
"""

from __future__ import annotations

import contextlib
import faulthandler
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator

_WAIT_MICROSECS = 20_000
"""Of each write; a stack has some hundred of them."""
_REST = "Extension modules:"
"""After the stack faulthandler lists what is loaded."""
_LEAST_BUFFER = 1  # which the system rounds up to some kilobytes, with what it needs for each write


@contextlib.contextmanager
def kept(say: Callable[[str], None]) -> Iterator[None]:
    """While it is open, has the last words said of a process that a library aborts.

    Where faulthandler is on already, as in tests and with PYTHONFAULTHANDLER, it is left as it is.

    Args:
      say: given the first line of what faulthandler says, in another thread, with little time and memory.
    """
    if faulthandler.is_enabled():
        yield
        return
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LEAST_BUFFER)
        writer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, _WAIT_MICROSECS))
        threading.Thread(target=_listen, args=(reader, say), name="last words", daemon=True).start()
        faulthandler.enable(writer.fileno(), all_threads=False)
        try:
            yield
        finally:
            faulthandler.disable()


def _listen(reader: socket.socket, say: Callable[[str], None]) -> None:
    with contextlib.suppress(OSError):
        words = ""
        while "\n" not in words:
            part = reader.recv(64).decode(errors="replace")
            if not part:
                return
            words += part
        say(words.partition("\n")[0])
        while words and _REST not in words:
            print(words, end="", file=sys.stderr, flush=True)
            words = reader.recv(4096).decode(errors="replace")
