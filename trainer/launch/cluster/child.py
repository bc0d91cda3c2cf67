"""One process that the launcher started: its lines, its end, and that it never outlives the launcher."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from trainer.job import signals

_CHUNK_BYTES = 1 << 16
_LONGEST_LINE_BYTES = 1 << 20


class Child:
    """A process in a group of its own, so that a Ctrl-C reaches the launcher only, and what it leaves can be ended."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str], *, started_at: float) -> None:
        self._process = subprocess.Popen(
            argv,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=signals.bound_to(os.getpid()),
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout
        os.set_blocking(self._pipe.fileno(), False)
        self._unfinished = b""
        self._swept = False
        self.started_at = started_at

    @property
    def pid(self) -> int:
        """The number of the process, which is that of its group too."""
        return self._process.pid

    def fileno(self) -> int:
        """The pipe that its output comes through, for a selector."""
        return self._pipe.fileno()

    def exit_code(self) -> int | None:
        """As a shell counts (137 after SIGKILL); None while it runs. Reaps it, and ends what it left in its group."""
        code = self._process.poll()
        if code is None:
            return None
        self._sweep()
        return code if code >= 0 else 128 - code

    def send(self, number: signal.Signals) -> None:
        """To the process alone, as a runner does."""
        self._process.send_signal(number)

    def destroy(self) -> None:
        """Ends the process and its group now, and reaps it."""
        self._sweep()
        self._process.wait()

    def read(self) -> tuple[list[str], bool]:
        """Lines that have come since, and whether there may come more."""
        chunk = self._received()
        return ([], True) if chunk is None else (self._lines(chunk), bool(chunk))

    def close(self) -> list[str]:
        """The last lines. The process has ended, so that all of them are in the pipe already."""
        lines: list[str] = []
        while chunk := self._received():
            lines += self._lines(chunk)
        lines += self._lines(b"")
        self._pipe.close()
        return lines

    def _received(self) -> bytes | None:
        """What has come; empty at the end, None when there is nothing at the moment."""
        try:
            return os.read(self._pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return None

    def _lines(self, chunk: bytes) -> list[str]:
        """Lines that are whole with `chunk`; what is left too, when it is the end or has grown too long."""
        *lines, self._unfinished = (self._unfinished + chunk).split(b"\n")
        if self._unfinished and (not chunk or len(self._unfinished) > _LONGEST_LINE_BYTES):
            lines.append(self._unfinished)
            self._unfinished = b""
        return [_shown(line) for line in lines]

    def _sweep(self) -> None:
        """Ends the group, once: later its number may be another's."""
        if not self._swept:
            self._swept = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _shown(line: bytes) -> str:
    """The text of a line; of one that overwrote itself with carriage returns, what was left."""
    return line.rstrip(b"\r").rpartition(b"\r")[2].decode(errors="replace")
