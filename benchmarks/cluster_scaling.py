"""What a step costs as workers are added, on one machine: processor time and bytes, by task type.

    python -m benchmarks.cluster_scaling [--workers=1,2,4,8] [--size=3] [--batch_size=20]

Workers share the cores of this machine, so steps per second say little of a cluster; microseconds of processor time and
bytes per step say what each process of one would spend. Measured between the checkpoint in the middle of a run and the
one at its end. Bytes are what the kernel counted on the sockets of the parameter server, or of the chief of a
synchronous job (`ss`, of iproute2; Linux); memory is that of the same process.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping

from benchmarks.cluster_processes import PATIENCE_SECS, cluster, saves
from benchmarks.sines import waves, write_csv

_POLL_SECS = 0.01
_SENT = re.compile(r"bytes_sent:(\d+)")
_RECEIVED = re.compile(r"bytes_received:(\d+)")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Load:
    """What was spent up to a moment.

    Attributes:
      step: the global step.
      at: seconds since the epoch.
      cpu_secs: by task type, all its processes together.
      sent: bytes that the counted processes have sent.
      received: bytes that they have received.
      held: bytes of memory that they hold.
    """

    step: int
    at: float
    cpu_secs: Mapping[str, float]
    sent: int
    received: int
    held: int


def cpu_secs(pid: int) -> float:
    """Processor time of a process, of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def held_bytes(pid: int) -> int:
    """Memory that a process holds."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def traffic(pids: set[int]) -> tuple[int, int]:
    """Bytes sent and received on the open TCP sockets of some processes."""
    listed = subprocess.run(["ss", "-tinpOH"], stdout=subprocess.PIPE, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if any(f"pid={pid}," in line for pid in pids)]
    return _sum(_SENT, lines), _sum(_RECEIVED, lines)


def _sum(pattern: re.Pattern[str], lines: list[str]) -> int:
    return sum(int(found[1]) for line in lines if (found := pattern.search(line)))


def measured(
    jobs: Mapping[str, int], arguments: list[str], home: str, clock: Callable[[], float] = time.time
) -> tuple[Load, Load]:
    """Runs a job; what was spent up to the checkpoint in its middle, and up to the one at its end."""
    arguments = [*arguments, f"--model_dir={home}"]
    with cluster(sys.executable, arguments, jobs) as processes:
        counted = {process.pid for process in processes.get("ps") or processes["chief"]}
        loads: list[Load] = []
        deadline = clock() + PATIENCE_SECS
        while len(loads) < 3:
            if clock() > deadline or processes["chief"][0].poll():
                raise RuntimeError(
                    f"{dict(jobs)} ended with {processes['chief'][0].poll()} after {len(loads)} checkpoints"
                )
            saved = saves(home)
            if len(saved) > len(loads):
                spent = {job: sum(cpu_secs(process.pid) for process in of) for job, of in processes.items()}
                sent, received = traffic(counted)
                held = sum(held_bytes(pid) for pid in counted)
                step, at = saved[-1]
                loads.append(Load(step=step, at=at, cpu_secs=spent, sent=sent, received=received, held=held))
            time.sleep(_POLL_SECS)
    return loads[1], loads[2]


def row(name: str, jobs: Mapping[str, int], begin: Load, end: Load) -> str:
    """A line of the table: rate, processor time a step by task type, bytes a step."""
    steps = end.step - begin.step
    spent = {job: (end.cpu_secs[job] - begin.cpu_secs[job]) / steps * 1e6 for job in end.cpu_secs}
    workers = spent.get("worker", 0.0) if "ps" in jobs else sum(spent.values())
    cells = [
        name,
        f"{jobs.get('worker', 0) + ('ps' not in jobs)}",
        f"{steps / (end.at - begin.at):,.0f}",
        f"{workers:,.0f}",
        f"{spent['ps']:,.0f}" if "ps" in jobs else "—",
        f"{spent['chief']:,.0f}" if "ps" in jobs else "—",
        f"{(end.received - begin.received) / steps:,.0f}",
        f"{(end.sent - begin.sent) / steps:,.0f}",
        f"{end.held / 1e6:,.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,2,4,8")
    parser.add_argument("--size", type=int, default=3, help="of the LSTM")
    parser.add_argument("--batch_size", type=int, default=20)
    parser.add_argument("--steps", type=int, default=6_000, help="of a run with push_every=1")
    args = parser.parse_args()
    counts = [int(count) for count in args.workers.split(",")]
    kinds = [("`push_every=1`", True, 1, args.steps), ("`push_every=100`", True, 100, 10 * args.steps)]
    kinds += [("sync", False, 1, args.steps)]
    print(
        "| kind | training processes | steps/s | µs a step: workers | ps | chief | bytes a step: in | out | MB held |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as data:
        csv = pathlib.Path(data, "train.csv")
        write_csv(csv, waves(20_000, 1))
        for name, has_ps, push_every, steps in kinds:
            for count in counts:
                jobs = {"chief": 1, "worker": count, "ps": 1} if has_ps else {"chief": 1, "worker": count - 1}
                arguments = [f"--csv={csv}", f"--steps={steps}", f"--size={args.size}", f"--push_every={push_every}"]
                with tempfile.TemporaryDirectory() as home:
                    found = measured(jobs, [*arguments, f"--batch_size={args.batch_size}"], home)
                print(row(name, jobs, *found), flush=True)


if __name__ == "__main__":
    main()
