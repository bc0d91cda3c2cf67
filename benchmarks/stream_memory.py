"""Memory of the input pipeline on data larger than memory: streams generated CSV, printing the resident size.

    python benchmarks/stream_memory.py --gigabytes=5

The data are written to a temporary directory and removed at the end.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from trainer import inputs  # noqa: E402
from trainer.formats import sines  # noqa: E402
from trainer.formats.settings import ForecastData  # noqa: E402
from trainer.formats.source import Source

SEQUENCE_LENGTH = 50
FILE_BYTES = 1 << 28
STREAM_ABOVE = 1 << 20


def generate(folder: str, gigabytes: float) -> tuple[int, int]:
    """Writes noisy sine waves in files of 256 MiB; returns bytes and rows."""
    waves = np.concatenate(sines.rows(SEQUENCE_LENGTH))
    noise = np.random.default_rng(0).random((20, *waves.shape)) * 0.3
    block = "".join(
        ",".join(f"{value:.6f}" for value in row) + "\n" for row in (waves + noise).reshape(-1, SEQUENCE_LENGTH)
    )
    rows_of_block, blocks_of_file = block.count("\n"), FILE_BYTES // len(block)
    files = max(1, round(gigabytes * 1e9 / (blocks_of_file * len(block))))
    for number in range(files):
        with open(os.path.join(folder, f"part-{number}.csv"), "w") as file:
            for _ in range(blocks_of_file):
                file.write(block)
    return files * blocks_of_file * len(block), files * blocks_of_file * rows_of_block


def resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def stream(
    source: Source, data: ForecastData, row_bytes: float, seconds: float
) -> Iterator[tuple[float, float, float]]:
    """(gigabytes read, resident MiB, rows a second) at the start and after each further gigabyte, for one epoch."""
    begin, rows, told = time.perf_counter(), 0, 0
    for features, _ in inputs.train_input_fn(source, data):
        rows += len(features["values"])
        if rows * row_bytes >= told * 1e9:
            yield rows * row_bytes / 1e9, resident_mib(), rows / (time.perf_counter() - begin)
            told += 1
        if time.perf_counter() - begin > seconds:
            break
    yield rows * row_bytes / 1e9, resident_mib(), rows / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5.0)
    parser.add_argument("--seconds", type=float, default=900.0, help="stop reading after so long")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size, rows = generate(folder, arguments.gigabytes)
        paths = (f"{folder}/part-*.csv",)
        data = ForecastData(
            train_data_paths=paths,
            eval_data_paths=(f"{folder}/part-0.csv",),
            sequence_length=SEQUENCE_LENGTH,
            train_batch_size=512,
            num_epochs=1,
        )
        print(f"{size / 1e9:.2f} GB, {rows:,} rows")
        source = inputs.describe(data, memory_limit=STREAM_ABOVE)
        for gigabytes, mebibytes, speed in stream(source, data, size / rows, arguments.seconds):
            print(f"{gigabytes:6.2f} GB read  {mebibytes:8.0f} MiB resident  {speed:10,.0f} rows/s", flush=True)
        print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
