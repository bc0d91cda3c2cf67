"""Real shells on a pseudo-terminal, in which a person types and presses the tabulator key."""

from __future__ import annotations

import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import time

from tests.deadlines import ANSWER_SECS

# A letter, which shows what space the shell has added and would take back; then to the line's beginning and to its
# end, so that the shell prints what the line has become.
_KEYS = "x\x01echo '[\x05]'\n"
_PROMPT = "ready> "


class Shell:
    """A shell that reads no file of a person's.

    Args:
      name: bash or zsh.
      directory: where it stands.
      start: commands that it runs first.
    """

    def __init__(self, name: str, directory: pathlib.Path, start: str) -> None:
        program = shutil.which(name)
        assert program
        words = [program, "--norc", "--noprofile", "-i"] if name == "bash" else [program, "-f", "-i"]
        self._master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "HOME": str(directory), "PS1": _PROMPT, "ZDOTDIR": str(directory)}
        self._process = subprocess.Popen(
            words, stdin=slave, stdout=slave, stderr=slave, cwd=directory, env=environment, start_new_session=True
        )
        os.close(slave)
        (directory / "start").write_text(f"{start}\nPS1='{_PROMPT}'\nPROMPT_EOL_MARK=''\necho started''up\n")
        self._type(". ./start\n")
        self._read(re.compile(r"startedup\r*\n"))

    def completed(self, line: str) -> str:
        """What a line becomes by the tabulator key, a space that the shell adds included."""
        self._type(f"{line}\t")
        self._read(re.compile(re.escape(line[-4:])))
        self._type(_KEYS)
        return self._read(re.compile(r"\n\[([^\r\n]*)x\]\r*\n")).group(1)

    def close(self) -> None:
        """Ends the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def _type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def _read(self, wanted: re.Pattern[str]) -> re.Match[str]:
        text, until = "", time.monotonic() + ANSWER_SECS
        while time.monotonic() < until:
            if select.select([self._master], [], [], 1)[0]:
                text += os.read(self._master, 65536).decode(errors="replace")
                found = wanted.search(text)
                if found:
                    return found
        raise AssertionError(f"{self._process.args} said {text!r}")
