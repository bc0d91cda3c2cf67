"""A replica without TensorFlow: says what it is told, meets its peers, reports a metric, and leaves a model.

STAND_IN in its environment says what else it does: `exit N` ends it with that code at once, `once` waits for SIGTERM in
its first life on its machine's disk, `always` in every life.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import socket
import sys
import time

from tests.deadlines import ANSWER_SECS


def main() -> int:
    spec = json.loads(os.environ["CLUSTER_SPEC"])
    task = spec["task"]
    act = os.environ.get("STAND_IN", "")
    print(f"is {task['type']}-{task['index']} with {' '.join(sys.argv[1:])}", flush=True)
    if act.startswith("exit "):
        return int(act.partition(" ")[2])
    is_first_life = _is_first_life()
    if is_first_life:
        _meet(spec["cluster"], task)
    if act == "always" or (act == "once" and is_first_life):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        print("waits", flush=True)
        signal.sigwait({signal.SIGTERM})
        print("saved", flush=True)
        return 143
    if task["type"] == "workerpool0":
        _report()
        _leave_model()
    else:
        signal.pause()  # until the chief's end is the job's
    return 0


def _is_first_life() -> bool:
    mark = pathlib.Path(os.environ["TRAINER_SCRATCH"], "lived")
    mark.parent.mkdir(parents=True, exist_ok=True)
    is_first = not mark.exists()
    mark.touch()
    return is_first


def _meet(cluster: dict[str, list[str]], task: dict[str, object]) -> None:
    """The chief connects to all others, each of which waits for it."""
    own = cluster[str(task["type"])][int(str(task["index"]))]
    if task["type"] != "workerpool0":
        host, _, port = own.rpartition(":")
        with socket.create_server((host, int(port))) as server:
            server.settimeout(ANSWER_SECS)
            server.accept()[0].close()
        print("met the chief", flush=True)
        return
    others = [address for addresses in cluster.values() for address in addresses if address != own]
    deadline = time.monotonic() + ANSWER_SECS
    for address in others:
        host, _, port = address.rpartition(":")
        while True:
            try:
                socket.create_connection((host, int(port)), timeout=ANSWER_SECS).close()
                break
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)  # it is being started
    print(f"met {len(others)} others", flush=True)


def _report() -> None:
    """As a tuner reads it: the learning rate itself is the metric, and none comes of one that is above 0.09."""
    trial = os.environ.get("CLOUD_ML_TRIAL_ID")
    rate = next((float(word.partition("=")[2]) for word in sys.argv if word.startswith("--learning-rate=")), 0.0)
    if trial and rate <= float(os.environ.get("MOST_RATE", "1")):
        path = pathlib.Path(os.environ["CLOUD_ML_HP_METRIC_FILE"])
        path.parent.mkdir(parents=True, exist_ok=True)
        line = {"timestamp": 1.0, "trial": trial, os.environ["CLOUD_ML_HP_METRIC_TAG"]: str(rate), "global_step": "7"}
        path.write_text(json.dumps(line) + "\n")


def _leave_model() -> None:
    if "STORAGE_EMULATOR_HOST" in os.environ:
        from trainer import storage

        storage.write(f"{os.environ['AIP_MODEL_DIR']}model.txt", b"a model")


if __name__ == "__main__":
    sys.exit(main())
