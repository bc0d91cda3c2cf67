"""Batch predictions: rows a second beside Keras's `predict`, the order of rows, equality, and memory.

    python -m benchmarks.predictions --rows=10000000

A run of a few steps of the default problem is asked for as many rows as are said: by `trainer.predict`, from a file
into a file, and by `Estimator.predict`; and a Keras model of the same structure (LSTM of 3 units) through `predict`,
from the same file, read by `tf.data`, into an array. The exit code is 1 where predictions differ by more than 1e-6.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
STEPS = 9
BATCH = 1000
MOST_DIFFERENCE = 1e-6


def generate(path: pathlib.Path, rows: int) -> None:
    """Writes rows of random numbers."""
    rng = np.random.default_rng(0)
    block = "".join(",".join(f"{value:.5f}" for value in row) + "\n" for row in rng.random((10_000, STEPS)))
    lines = block.splitlines(keepends=True)
    with path.open("w") as file:
        for start in range(0, rows, len(lines)):  # each block begins at another of the lines, so that order shows
            turn = start // len(lines) % len(lines)
            file.writelines([*lines[turn:], *lines[:turn]][: rows - start])


def train(folder: pathlib.Path) -> None:
    """Makes an export."""
    command = [sys.executable, "-m", "trainer.task", f"--output_dir={folder}", "--train_steps=20", "--seed=1"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)


def resident_mib(pid: int) -> float:
    """What a process holds in memory; 0 where it has ended."""
    try:
        pages = int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def ours(folder: pathlib.Path, source: pathlib.Path, target: pathlib.Path) -> tuple[str, list[float]]:
    """The closing lines of `trainer.predict`, and its memory in MiB once a second."""
    command = [sys.executable, "-m", "trainer.predict", f"--model_dir={folder}", f"--input={source}"]
    process = subprocess.Popen(
        [*command, f"--output={target}", f"--batch_size={BATCH}"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    memory = []
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = process.communicate(timeout=1.0)
            break
        memory.append(resident_mib(process.pid))
    if process.returncode:
        sys.exit(f"trainer.predict ended with {process.returncode}")
    return said, memory


def histories(source: pathlib.Path) -> Iterator[np.ndarray]:
    """The rows of the file in batches, float32 [batch, steps, 1]."""
    with source.open() as file:
        while lines := [line for _, line in zip(range(BATCH), file, strict=False)]:
            yield np.loadtxt(lines, delimiter=",", dtype=np.float32, ndmin=2)[:, :, np.newaxis]


def largest_difference(folder: pathlib.Path, source: pathlib.Path, target: pathlib.Path) -> tuple[float, float]:
    """Between the lines of the file, in order, and `Estimator.predict`; and rows a second of the latter."""
    import tensorflow as tf

    from trainer import model
    from trainer.bound_problem import BoundProblem
    from trainer.estimator import RunConfig
    from trainer.formats.settings import ForecastData

    data = ForecastData(seed=1)
    schema = model.PROBLEM.call("describe", data=data)
    bound = BoundProblem(problem=model.PROBLEM, data=data, params=model.Params(), schema=schema)
    spec = {"values": tf.TensorSpec([None, STEPS, 1], tf.float32)}

    def input_fn() -> tf.data.Dataset:
        batches = ({"values": batch} for batch in histories(source))
        return tf.data.Dataset.from_generator(lambda: batches, output_signature=spec)

    estimator = bound.estimator(RunConfig(model_dir=str(folder)))
    largest, rows, began = 0.0, 0, time.perf_counter()
    with target.open() as file:
        assert file.readline() == "forecast\n"
        for batch in estimator.predict(input_fn, yield_single_examples=False):
            expected = batch["forecast"].reshape(-1)
            found = np.array([float(next(file)) for _ in expected], np.float32)
            largest, rows = max(largest, float(np.abs(found - expected).max())), rows + len(expected)
        assert not file.read(1), "more predictions than rows"
    return largest, rows / (time.perf_counter() - began)


def keras_rate(source: pathlib.Path) -> float:
    """Rows a second of a Keras model of the same structure."""
    import keras
    import tensorflow as tf

    model = keras.Sequential([keras.Input((STEPS, 1)), keras.layers.LSTM(3), keras.layers.Dense(1)])

    def parsed(lines: tf.Tensor) -> tf.Tensor:
        columns = tf.io.decode_csv(lines, [tf.constant([], tf.float32)] * STEPS)
        return tf.stack(columns, axis=1)[:, :, tf.newaxis]

    dataset = tf.data.TextLineDataset(str(source)).batch(BATCH).map(parsed, num_parallel_calls=4).prefetch(4)
    model.predict(dataset.take(1), verbose=0)
    began = time.perf_counter()
    rows = len(model.predict(dataset, verbose=0))
    return rows / (time.perf_counter() - began)


def main() -> None:
    """Prints a line for each contestant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, place = pathlib.Path(temporary, "run"), pathlib.Path(temporary)
        source, target = place / "in.csv", place / "out.csv"
        train(folder)
        generate(source, arguments.rows)
        said, memory = ours(folder, source, target)
        print(f"trainer.predict{said.rstrip()}", flush=True)
        quarters = [memory[len(memory) * part // 4 - 1] for part in (1, 2, 3, 4)] if len(memory) >= 4 else memory
        print("memory, MiB, after each quarter:", ", ".join(f"{mib:,.0f}" for mib in quarters), flush=True)
        print(f"keras predict: {keras_rate(source):,.0f} rows/s", flush=True)
        difference, rate = largest_difference(folder, source, target)
        print(f"Estimator.predict, batches: {rate:,.0f} rows/s; largest difference {difference:.1e}")
    sys.exit(difference > MOST_DIFFERENCE)


if __name__ == "__main__":
    main()
