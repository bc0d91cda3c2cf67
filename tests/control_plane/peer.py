"""`python peer.py ...` stands for a process of a job: it meets all others at their addresses, or ends with a code.

PEER_ACTS says what each does in its lives, as `worker-0:143/meet chief-0:2`: to end with a code, to `wait` for a
signal, or to `meet`, as all do of whom nothing is said. It needs nothing of this package but the one module by which a
process knows its cluster, and no TensorFlow. The folder PEER_LIVES counts lives.
"""

from __future__ import annotations

import os
import pathlib
import signal
import socket
import sys
import time

from trainer.job.cluster import Cluster, from_environment

_SECS = 90.0
_POLL_SECS = 0.02
_SAVED = 143


def main(argv: list[str]) -> int:
    cluster = from_environment(os.environ)
    name = f"{'chief' if cluster.is_chief else cluster.task_type}-{cluster.task_id}"
    print(f"{name} runs with {' '.join(argv)}", flush=True)
    act = _act(name)
    if act.isdecimal():
        print(f"{name} ends with {act}", flush=True)
        return int(act)
    if act == "wait":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(_SAVED))
        print(f"{name} waits", flush=True)
        while True:
            signal.pause()
    met = _meet(name, cluster)
    print(f"{name} met {' '.join(met) or 'nobody'}", flush=True)
    return 0


def _act(name: str) -> str:
    """Of this life; the last one is for all that follow."""
    acts = dict(entry.split(":") for entry in os.environ.get("PEER_ACTS", "").split())
    lives = pathlib.Path(os.environ["PEER_LIVES"], f"{os.environ.get('CLOUD_ML_TRIAL_ID', '')}{name}")
    number = int(lives.read_text()) if lives.exists() else 0
    lives.write_text(str(number + 1))
    of_process = acts.get(name, "meet").split("/")
    return of_process[min(number, len(of_process) - 1)]


def _meet(name: str, cluster: Cluster) -> list[str]:
    """Says its name to all others, and waits until all have said theirs. Whom they do not know meets nobody."""
    addresses = {f"{job}-{index}": address for job, nodes in cluster.jobs.items() for index, address in nodes.items()}
    if name not in addresses:  # an evaluator, which is in no cluster of Kubeflow's
        return []
    others, deadline = set(addresses) - {name}, time.monotonic() + _SECS
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, _, port = addresses[name].rpartition(":")
        listener.bind((host, int(port)))
        listener.listen(64)
        for other in sorted(others):
            _greet(addresses[other], name, deadline)
        came: set[str] = set()
        listener.settimeout(_SECS)
        while not others <= came:
            connection, _ = listener.accept()
            with connection:
                came.add(connection.makefile().readline().strip())
    return sorted(others)


def _greet(address: str, name: str, deadline: float) -> None:
    host, _, port = address.rpartition(":")
    while True:
        try:
            with socket.create_connection((host, int(port)), timeout=_SECS) as connection:
                connection.sendall(f"{name}\n".encode())
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
