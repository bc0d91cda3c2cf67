"""`client.py SOCKET [-P] -m MODULE ...`, or `-c CODE ...`, stands for a Python process that is a fork of the server.

It passes signals on and ends with the fork's exit code. The fork has this process's environment, folder and streams,
and does not outlive it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from types import FrameType

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(path: str, *argv: str) -> int:
    words = list(argv)
    while words[0] not in ("-m", "-c"):  # options of the interpreter are the server's
        words.pop(0)
    name = str(os.getpid())
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(path)

        def say(message: dict[str, object]) -> None:
            control.sendall(json.dumps(message).encode() + b"\n")

        def pass_on(number: int, frame: FrameType | None) -> None:
            say({"signal": number, "name": name})

        order = {"name": name, "argv": words, "environ": dict(os.environ), "log": f"/proc/{name}/fd/1"}
        say({"start": order})
        for number in _PASSED_ON:
            signal.signal(number, pass_on)
        for line in control.makefile():
            event = json.loads(line)
            if "code" in event:
                return int(event["code"])
    return 128 + signal.SIGKILL


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # while an interpreter ends in its own way, a signal would kill it
