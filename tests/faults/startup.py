"""SIGTERM at moments spread over the start of a fresh process: each of them has to end it with 143, at once.

    python -m tests.faults.startup --moments=100

The start goes from the first instruction of the interpreter to the first step. What counts is how the process ended, as
containers and shells count: 143 by itself, or by the signal before Python had taken it (which a runner calls 143, too).
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from tests.deadlines import ANSWER_SECS

ROOT = pathlib.Path(__file__).parent.parent.parent
PROMPT_SECS = 5.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ended:
    """How one process ended.

    Attributes:
      at_secs: after its start it got the signal.
      code: as `subprocess` says it: -15 where the signal itself ended it.
      took_secs: from the signal to the end.
      failed: whether it left a failure.json.
      shown: its stderr.
    """

    at_secs: float
    code: int
    took_secs: float
    failed: bool
    shown: str

    @property
    def is_good(self) -> bool:
        return self.code in (143, -signal.SIGTERM) and not self.failed


def started(directory: pathlib.Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "trainer.task", f"--output_dir={directory}", "--train_steps=1000000000"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(argv, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def start_secs(directory: pathlib.Path) -> float:
    """How long a process takes to its first step."""
    began = time.monotonic()
    process = started(directory)
    watchdog = threading.Timer(ANSWER_SECS, process.kill)
    watchdog.start()
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step "):
            break
    took = time.monotonic() - began
    process.kill()
    process.communicate()
    watchdog.cancel()
    return took


def ended(directory: pathlib.Path, at_secs: float) -> Ended:
    """Starts a process, signals it at that moment, and waits for its end."""
    process = started(directory)
    time.sleep(at_secs)
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        _, shown = process.communicate(timeout=ANSWER_SECS)
    except subprocess.TimeoutExpired:
        process.kill()
        _, shown = process.communicate()
    took = time.monotonic() - sent
    failed = (directory / "failure.json").exists()
    return Ended(at_secs=at_secs, code=process.returncode, took_secs=took, failed=failed, shown=shown)


def campaign(moments: int, longest_secs: float | None = None) -> list[Ended]:
    """One process for each moment, evenly spread from the start to the first step, or to `longest_secs`."""
    with tempfile.TemporaryDirectory(prefix="trainer-startup-") as folder:
        root = pathlib.Path(folder)
        longest = start_secs(root / "whole") if longest_secs is None else longest_secs
        return [ended(root / str(number), longest * number / moments) for number in range(moments)]


def table(results: Sequence[Ended]) -> str:
    """The figures, and a line for each process that ended otherwise than it should."""
    codes = collections.Counter(result.code for result in results)
    took = sorted(result.took_secs for result in results)
    prompt = sum(result.took_secs <= PROMPT_SECS for result in results)
    lines = [
        f"moments                              {len(results)}",
        f"exit 143                             {codes[143]}",
        f"ended by SIGTERM itself (143 to runners)  {codes[-signal.SIGTERM]}",
        f"failure.json left                    {sum(result.failed for result in results)}",
        f"within {PROMPT_SECS:g} s                          {prompt}",
        f"median, longest seconds to the end   {took[len(took) // 2]:.2f}, {took[-1]:.2f}",
    ]
    lines += [f"AT {bad.at_secs:.2f} s: {bad.code}\n{bad.shown}" for bad in results if not bad.is_good]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=100)
    results = campaign(parser.parse_args().moments)
    print(table(results))
    return 0 if all(result.is_good for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
