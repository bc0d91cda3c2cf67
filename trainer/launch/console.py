"""The lines of all processes in one stream, each with the name of who said it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TextIO

from trainer.job import json_log

LAUNCHER = "launch"
_COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
_BOLD, _RESET = "\033[1m", "\033[0m"


class Console:
    """Writes whole lines. Once the reader is gone, `closed` is True and nothing is written."""

    def __init__(self, stream: TextIO, names: Sequence[str], *, colour: bool) -> None:
        self._stream = stream
        width = max(map(len, (LAUNCHER, *names)))
        plain = {name: f"{name:<{width}} | " for name in (LAUNCHER, *names)}
        self._prefixes = _coloured(plain) if colour else plain
        self.closed = False

    def lines(self, name: str, texts: Iterable[str]) -> None:
        """What the process `name` said."""
        self._write("".join(f"{self._prefixes[name]}{text}\n" for text in texts))

    def event(self, secs: float, text: str) -> None:
        """What the launcher has to say, `secs` after the job's start."""
        self._write(f"{self._prefixes[LAUNCHER]}{secs:6.1f} s  {text}\n")

    def _write(self, text: str) -> None:
        if self.closed or not text:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except BrokenPipeError:
            self.closed = True


class JsonConsole(Console):
    """Writes JSON objects, a line each, that say which process they are of."""

    def __init__(self, stream: TextIO, names: Sequence[str]) -> None:
        super().__init__(stream, names, colour=False)

    def lines(self, name: str, texts: Iterable[str]) -> None:
        """What the process `name` said: objects already, or texts."""
        self._write("".join(f"{json_log.merged(text, name)}\n" for text in texts if text.strip()))

    def event(self, secs: float, text: str) -> None:
        """What the launcher has to say, `secs` after the job's start."""
        fields = {"secs": round(secs, 1)}
        self._write(json_log.render("INFO", text, {"process": LAUNCHER}, fields) + "\n")


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """On a terminal, unless NO_COLOR is set (https://no-color.org)."""
    return stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def _coloured(plain: Mapping[str, str]) -> dict[str, str]:
    tasks = {
        name: f"\033[{_COLOURS[number % len(_COLOURS)]}m{text}{_RESET}"
        for number, (name, text) in enumerate(plain.items())
    }
    return {**tasks, LAUNCHER: f"{_BOLD}{plain[LAUNCHER]}{_RESET}"}
