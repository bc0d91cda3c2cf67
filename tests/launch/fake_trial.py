"""A trial that costs nothing, run by the sweeps of the tests: `--acts=2:crash,5:hang` says which trial behaves badly.

A trial makes `--steps` steps, notes each in `ledger` beside the trials' folders, saves itself after each as trainers
do, and reports (x - 0.3)² + 1 / step. Acts: `crash` (a segmentation fault), `exit:CODE`, `hang`, `nan`, `silent`,
`kill_warm` (the process that forked it), `saved` (exits 143 once, in the middle), `leave` (ignores SIGTERM).
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import time


def main() -> int:
    words = dict(word.removeprefix("--").split("=", 1) for word in sys.argv[1:])
    trial = os.environ["CLOUD_ML_TRIAL_ID"]
    assert json.loads(os.environ["TF_CONFIG"])["task"]["trial"] == trial
    acts = dict(act.split(":", 1) for act in words.get("acts", "").split(",") if act)
    root = pathlib.Path(words["output_dir"])
    x, steps, secs = float(words["x"]), int(words.get("steps", 3)), float(words.get("secs", 0))
    note(root, f"start {trial} {' '.join(sys.argv[1:])}")
    print(f"trial {trial} begins", flush=True)
    checkpoint = root / trial / "step"
    first = int(checkpoint.read_text()) if checkpoint.exists() else 0
    for step in range(first + 1, steps + 1):
        time.sleep(secs)  # the work
        note(root, f"step {trial} {step}")
        misbehave(acts.get(trial, ""), step, root / trial)
        if acts.get(trial) != "silent":
            report(trial, step, "NaN" if acts.get(trial) == "nan" else str((x - 0.3) ** 2 + 1 / step))
        save(checkpoint, step)
    note(root, f"done {trial}")
    return 0


def misbehave(act: str, step: int, folder: pathlib.Path) -> None:
    verb, _, rest = act.partition(":")
    if verb == "crash":
        print("about to crash", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    elif verb == "exit":
        print(f"fake_trial: bad luck {rest}", file=sys.stderr)
        sys.exit(int(rest))
    elif verb in ("hang", "leave"):
        if verb == "leave":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()
    elif verb == "kill_warm" and not (folder / "killed").exists():
        (folder / "killed").touch()
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    elif verb == "saved" and step == 2 and not (folder / "saved").exists():
        (folder / "saved").touch()
        sys.exit(143)


def note(root: pathlib.Path, text: str) -> None:
    with (root / "ledger").open("a") as stream:
        stream.write(text + "\n")


def report(trial: str, step: int, value: str) -> None:
    """As cloudml-hypertune does it: the whole file again."""
    path = pathlib.Path(os.environ["CLOUD_ML_HP_METRIC_FILE"])
    line = {
        os.environ["CLOUD_ML_HP_METRIC_TAG"]: value,
        "global_step": str(step),
        "trial": trial,
        "timestamp": time.time(),
    }
    before = path.read_text() if path.exists() else ""
    path.write_text(before + json.dumps(line) + "\n")


def save(path: pathlib.Path, step: int) -> None:
    unfinished = path.with_suffix(".new")
    unfinished.write_text(str(step))
    unfinished.replace(path)


if __name__ == "__main__":
    sys.exit(main())
