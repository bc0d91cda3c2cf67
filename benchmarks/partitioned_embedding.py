"""A table of 2 GB in halves on two parameter servers: what goes over the network in a step, and who holds how much.

`python -m benchmarks.partitioned_embedding` runs a chief, a worker and two parameter servers on this machine, with the
job of `tests/cluster/embedding_job.py`. It takes some minutes, and some 12 GB at the end, when the chief evaluates with
the whole table beside servers that hold it too. Its table is in README.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence

ROOT = pathlib.Path(__file__).parent.parent
_STARTED = re.compile(r"(\S+) started \(process (\d+)")
_LOOK_SECS = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Measured:
    """One job.

    Attributes:
      steps_per_sec: between the first and the last device call that the chief saw end.
      bytes_per_step: what the processes sent each other meanwhile.
      peak_megabytes: the most resident memory of each process.
      checkpoint_megabytes: the last checkpoint's files.
    """

    steps_per_sec: float
    bytes_per_step: float
    peak_megabytes: dict[str, int]
    checkpoint_megabytes: int


def measure(task: Sequence[str], directory: pathlib.Path) -> Measured:
    """Runs the job with some flags.

    Raises:
      RuntimeError: it failed.
    """
    output = directory / "job"
    command = [sys.executable, "-m", "trainer.launch", "cluster", "--max_restarts=0", "--worker=1", "--ps=2"]
    command += ["--module=tests.cluster.embedding_job", "--", f"--output_dir={output}", *task]
    launcher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert launcher.stdout is not None
    processes: dict[str, int] = {}
    peaks: dict[str, int] = {}
    ended = threading.Event()
    looking = threading.Thread(target=_look, args=(processes, peaks, ended), daemon=True)
    looking.start()
    lines = []
    for line in launcher.stdout:
        lines.append(line)
        if found := _STARTED.search(line):
            processes[found[1]] = int(found[2])
    ended.set()
    looking.join()
    if launcher.wait() != 0:
        raise RuntimeError(f"the job failed:\n{''.join(lines[-40:])}")
    noted = json.loads((output / "traffic.json").read_text())
    (first, began, before), (last, finished, after) = noted[0], noted[-1]
    files = [file.stat().st_size for file in output.glob(f"model.ckpt-{last}.*")]
    return Measured(
        steps_per_sec=(last - first) / (finished - began),
        bytes_per_step=(after - before) / (last - first),
        peak_megabytes=peaks,
        checkpoint_megabytes=sum(files) >> 20,
    )


def _look(processes: dict[str, int], peaks: dict[str, int], ended: threading.Event) -> None:
    """Notes the peak of each process's memory until the job has ended."""
    while not ended.wait(_LOOK_SECS):
        for name, process in list(processes.items()):
            try:
                status = pathlib.Path(f"/proc/{process}/status").read_text()
            except OSError:
                continue
            if found := re.search(r"VmHWM:\s+(\d+) kB", status):
                peaks[name] = int(found[1]) >> 10


def row(name: str, options: argparse.Namespace, measured: Measured) -> str:
    rows = options.ids * options.width * 4
    peaks = ", ".join(f"{who} {size:,}" for who, size in sorted(measured.peak_megabytes.items()))
    return (
        f"| {name} | {measured.bytes_per_step / 1000:,.0f} | {measured.bytes_per_step / rows:.1f} "
        f"| {measured.steps_per_sec:,.1f} | {peaks} | {measured.checkpoint_megabytes:,} |"
    )


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=8_000_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--ids", type=int, default=1000, help="looked up in a step")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--table", nargs="*", default=["variable"], help="variable, keras, partitioned")
    parser.add_argument("--optimizer", nargs="*", default=["sgd", "adagrad"])
    parser.add_argument("--push_every", type=int, nargs="*", default=[1, 50])
    options = parser.parse_args(argv)
    print(f"A table of {options.rows:,} x {options.width} float32, {options.ids:,} ids a step")
    print("| table | KB a step | x the rows looked up | steps/s | peak MB | checkpoint MB |\n|---|---|---|---|---|---|")
    for table in options.table:
        for optimizer in options.optimizer:
            for push_every in options.push_every:
                shape = [f"--rows={options.rows}", f"--width={options.width}", f"--ids={options.ids}"]
                how = [f"--table={table}", f"--optimizer={optimizer}", f"--push_every={push_every}"]
                with tempfile.TemporaryDirectory() as directory:
                    task = [*shape, *how, f"--steps={options.steps}", "--initial=uniform"]
                    measured = measure(task, pathlib.Path(directory))
                print(row(f"{table}, {optimizer}, push_every={push_every}", options, measured), flush=True)


if __name__ == "__main__":
    main()
