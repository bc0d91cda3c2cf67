"""A process of a job in the tests of the launcher: acts as its flags say, `--chief=listen,say:hello,exit:0`.

Acts: `say:TEXT`; `env:NAME` says a variable; `argv` says the flags; `listen` on its own port; `taken` finds it in use;
`meet:ROLE:INDEX` connects to another; `wait:FIFO` until the test writes there; `forever`; `once:ACT` in its first life
only; `on_term:ACT+ACT`; `spawn` leaves a process of its own behind; `exit:CODE`.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys

CONFIG = json.loads(os.environ["TF_CONFIG"])
ROLE, INDEX = CONFIG["task"]["type"], CONFIG["task"]["index"]
LISTENING: list[socket.socket] = []


def say(text: str) -> None:
    print(text, flush=True)


def address(role: str, index: int) -> tuple[str, int]:
    host, port = CONFIG["cluster"][role][index].split(":")
    return host, int(port)


def listen() -> None:
    server = socket.create_server(address(ROLE, INDEX))
    LISTENING.append(server)
    say("listening")


def first_life(word: str) -> bool:
    mark = pathlib.Path(f"{ROLE}-{INDEX}-{word.replace(':', '-')}")
    if mark.exists():
        return False
    mark.touch()
    return True


def act(word: str) -> None:
    verb, _, rest = word.partition(":")
    match verb:
        case "say":
            say(rest)
        case "env":
            say(f"{rest}={os.environ.get(rest)}")
        case "argv":
            say(" ".join(sys.argv[1:]))
        case "listen":
            listen()
        case "taken":
            listen()
            listen()
        case "meet":
            role, _, index = rest.partition(":")
            socket.create_connection(address(role, int(index)), timeout=120).close()
            say(f"met {rest}")
        case "wait":
            with open(rest, encoding="utf-8") as fifo:
                fifo.readline()
        case "forever":
            while True:
                signal.pause()
        case "once":
            if first_life(rest):
                act(rest)
        case "on_term":
            signal.signal(signal.SIGTERM, lambda number, frame: [act(word) for word in rest.split("+")] and None)
        case "spawn":
            say(f"left {subprocess.Popen(['sleep', '600']).pid}")
        case "exit":
            sys.exit(int(rest))


for flag in sys.argv[1:]:
    role, _, acts = flag.removeprefix("--").partition("=")
    if role == ROLE:
        for word in acts.split(","):
            act(word)
