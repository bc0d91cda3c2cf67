"""Memory of training on a wide table as it grows: the whole command, with a limit on the data that it may hold.

    python -m benchmarks.wide_memory [--gigabytes=1,10] [--kind=csv|csv.gz|tfrecord] [--parts=1] [--folder=/var/tmp]

Each size is a table of 200 columns of numbers; three dense layers are trained on it for one epoch. Beside it stands the
most that the process and its children held at a time: resident pages, and those of them that no file backs. Records of
TFRecord hold the columns in one feature, `values`, and are trained on by the problem that the package begins with.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

from benchmarks.race.workloads import wide

_SAMPLE_SECS = 0.2
_FLAGS = ("--model=dnn", "--num_epochs=1", "--train_batch_size=500", "--seed=1")
_OF_TABLE = ("--data_format=table", "--label_column=label", "--hidden_units=128,64")
_OF_RECORDS = (
    "--data_format=examples",
    f"--sequence_length={wide.COLUMNS + 1}",
    "--feature_columns=values",
    "--target_columns=label",
    "--first_layer_size=128",
    "--second_layer_size=64",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Usage:
    """The most memory of a process with its children, in MiB.

    Attributes:
      resident: all pages in memory.
      anonymous: those that no file backs.
    """

    resident: float = 0.0
    anonymous: float = 0.0

    def most(self, other: Usage) -> Usage:
        """The larger of both, each by itself."""
        return Usage(resident=max(self.resident, other.resident), anonymous=max(self.anonymous, other.anonymous))


def descendants(pid: int) -> Iterator[int]:
    """A process and all those below it."""
    yield pid
    for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from descendants(int(child))


def usage(pid: int) -> Usage:
    """What a process and its children hold now; pages that several of them share count for each."""
    resident = anonymous = 0
    for process in descendants(pid):
        for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            resident += int(value.split()[0]) if name == "VmRSS" else 0
            anonymous += int(value.split()[0]) if name == "RssAnon" else 0
    return Usage(resident=resident / 1024, anonymous=anonymous / 1024)


def files(kind: str, gigabytes: float, parts: int, folder: pathlib.Path) -> tuple[list[str], str, int]:
    """The files of a table, the one to evaluate on, and how many rows are trained on.

    Args:
      kind: as `wide.prepare` names it.
      gigabytes: of its text, or of its records.
      parts: files of the same rows; they are one file with several names.
      folder: where they are written.
    """
    written = wide.examples if kind == "tfrecord" else wide.csv_lines
    row_bytes = len(written(wide.block(0)[:100])) / 100
    rows = round(gigabytes * 1e9 / row_bytes / parts / wide.BLOCK_ROWS) * wide.BLOCK_ROWS
    made = wide.prepare(kind, folder, {"rows": rows})
    paths = [folder / f"{part}.{kind}" for part in range(parts)]
    for path in paths:
        os.link(made["path"], path)
    return [str(path) for path in paths], made["eval_path"], rows * parts


def measured(command: Sequence[str], limit_mib: int) -> tuple[Usage, float]:
    """The most memory that a command took, and its seconds.

    Args:
      command: what is run.
      limit_mib: of data that each of its processes may hold (RLIMIT_DATA); 0 for no limit.
    """
    began, most = time.monotonic(), Usage()
    with subprocess.Popen(command) as process:
        if limit_mib:
            resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit_mib << 20, limit_mib << 20))
        while process.poll() is None:
            with contextlib.suppress(OSError, IndexError):  # a process that ends meanwhile
                most = most.most(usage(process.pid))
            time.sleep(_SAMPLE_SECS)
    if process.returncode:
        sys.exit(process.returncode)
    return most, time.monotonic() - began


def main() -> None:
    """Trains on each size, and prints what it took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--gigabytes", default="1,10", help="of text, or of records")
    parser.add_argument("--kind", default="csv", choices=["csv", "csv.gz", "tfrecord"])
    parser.add_argument("--parts", type=int, default=1, help="files of a table")
    parser.add_argument("--limit_mib", type=int, default=wide.MEMORY_MIB, help="of data; 0 for no limit")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/var/tmp"))
    chosen = parser.parse_args()
    lines = []
    for gigabytes in map(float, chosen.gigabytes.split(",")):
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            paths, judged, rows = files(chosen.kind, gigabytes, chosen.parts, pathlib.Path(folder))
            os.environ["TRAINER_SCRATCH"] = f"{folder}/scratch"
            command = [sys.executable, "-m", "trainer.task", *_FLAGS]
            command += _OF_RECORDS if chosen.kind == "tfrecord" else _OF_TABLE
            command += [f"--train_data_paths={','.join(paths)}", f"--eval_data_paths={judged}"]
            most, seconds = measured([*command, f"--output_dir={folder}/run"], chosen.limit_mib)
        shown = f"{gigabytes:g} GB, {rows:,} rows".ljust(28)
        lines.append(f"{shown}{seconds:8.0f} s{most.resident:8.0f} MiB{most.anonymous:8.0f} MiB anonymous")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
